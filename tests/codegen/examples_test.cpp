// examples_test.cpp: every kernel that the examples' plans hold, at reduced sizes, run on the CPU against the f64 evaluator.
#include <doctest/doctest.h>

#include <map>
#include <regex>
#include <set>

#include "codegen/lower.h"
#include "ir/model.h"
#include "llvm/Support/MemoryBuffer.h"
#include "tests/codegen/kernel_check.h"

using namespace tenon;

namespace {

/// An example with its fixed dims replaced in the text of [dims].
Model reduced(const std::string& example, const std::map<std::string, int>& dims) {
  std::string path = std::string(TENON_SOURCE_DIR) + "/examples/models/" + example + ".toml";
  auto buffer = llvm::MemoryBuffer::getFile(path);
  REQUIRE(buffer);
  std::string text = (*buffer)->getBuffer().str();
  for (const auto& [name, value] : dims) {
    std::regex row("(^|\\n)(" + name + "\\s*=\\s*)[0-9]+");
    REQUIRE(std::regex_search(text, row));
    text = std::regex_replace(text, row, "$1$2 " + std::to_string(value),
                              std::regex_constants::format_first_only);
  }
  return Model::parse(std::make_shared<const SourceFile>(SourceFile{example + ".toml", text}));
}

HostTensor draw(llvm::StringRef name, const Type& type) {
  HostTensor tensor = draw_normal(name, type);
  for (int64_t& x : tensor.integers) x = (x + 12) % 5;  // ids and positions
  return tensor;
}

void check_kernels(const std::string& example, const std::map<std::string, int>& dims, int64_t tokens,
                   const char* target) {
  Model model = reduced(example, dims);
  LowerOptions options;
  options.target_name = target;
  options.target.card = find_target(target);
  options.select.policy = Policy::kFused;
  auto plan = lower(model.build(model.bind({{"T", tokens}}, {})), options);
  std::set<std::string> checked;
  for (const Choice& choice : plan->selection.choices) {
    if (choice.candidate().implementation != "generated" || !checked.insert(choice.region.key).second)
      continue;
    INFO(example, " T=", tokens, " ", choice.region.site, ": ", choice.region.note);
    const auto& family = static_cast<const EmittingFamily&>(*choice.candidate().family);
    check_kernel(family, choice.region,
                 {.target = target, .draw = draw, .config = choice.candidate().config.c_str()});
  }
  CHECK(checked.size() >= 1);
}

const std::map<std::string, int> kLlama = {{"D", 128}, {"H", 4},   {"Hkv", 2}, {"Dh", 32},
                                           {"F", 192}, {"V", 100}, {"L", 2},   {"C", 48}};

}  // namespace

TEST_CASE("every kernel of a reduced Llama has the right values") {
  for (int64_t tokens : {1, 33}) check_kernels("llama-3-8b", kLlama, tokens, "h200");
}

TEST_CASE("every kernel of a reduced GPT-2 has the right values") {
  check_kernels("gpt2", {{"D", 128}, {"H", 4}, {"F", 256}, {"V", 100}, {"L", 2}}, 33, "a100");
}

TEST_CASE("every kernel of the FFN and of attention in primitives has the right values") {
  check_kernels("ffn", {{"D", 64}, {"F", 160}}, 37, "rtx5090");
  check_kernels("attention_primitives", {{"H", 2}}, 70, "h200");
}
