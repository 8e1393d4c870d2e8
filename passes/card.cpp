// card.cpp: reads cards from TOML and finds targets by name.
#include "passes/card.h"

#include <algorithm>

#include "ir/diagnostics.h"
#include "ir/toml_library.h"
#include "passes/embedded_cards.h"

namespace tenon {
namespace {

/// The architectures and the card that stands for each.
struct Reference {
  llvm::StringLiteral arch, card;
};
constexpr Reference kReferences[] = {
    {"sm_80", "a100"}, {"sm_89", "l40s"}, {"sm_90a", "h200"}, {"sm_100a", "b200"}, {"sm_120", "rtx5090"}};

/// Reads the keys of one card, each exactly once.
struct CardReader {
  const toml::table& table;
  std::shared_ptr<const SourceFile> file;
  std::vector<llvm::StringRef> known;

  [[noreturn]] void fail(const std::string& message, const toml::node* at = nullptr) {
    Location location{file, 1, 1, 1};
    if (at)
      location = {file, static_cast<int>(at->source().begin.line),
                  static_cast<int>(at->source().begin.column), 1};
    throw Error(message, location);
  }
  const toml::node& get(llvm::StringRef key) {
    known.push_back(key);
    const toml::node* node = table.get(std::string_view(key));
    if (!node) fail("a card needs `" + key.str() + "`");
    return *node;
  }
  void read(llvm::StringRef key, std::string& value) {
    const toml::node& node = get(key);
    if (!node.is_string()) fail("`" + key.str() + "` must be a string", &node);
    value = *node.value<std::string>();
  }
  template <class Number>
  void read(llvm::StringRef key, Number& value) {
    const toml::node& node = get(key);
    auto number = node.value<double>();
    if (!node.is_number() || !(*number > 0)) fail("`" + key.str() + "` must be a positive number", &node);
    value = static_cast<Number>(*number);
  }
};

std::string target_names() {
  std::string names;
  for (const Card& card : cards()) names += card.name + " ";
  for (const Reference& reference : kReferences) names += reference.arch.str() + " ";
  return names.substr(0, names.size() - 1);
}

}  // namespace

llvm::StringRef name_of(Basis basis) {
  static constexpr llvm::StringLiteral kNames[] = {"datasheet", "calibrated", "measured"};
  return kNames[static_cast<int>(basis)];
}

double Card::product_tflops(DType type, bool tf32) const {
  if (type == DType::kF16 || type == DType::kBF16) return tensor_16_tflops;
  return tf32 ? tensor_tf32_tflops : f32_tflops;
}

Card parse_card(llvm::StringRef text, llvm::StringRef file_name) {
  auto file = std::make_shared<const SourceFile>(SourceFile{file_name.str(), text.str()});
  toml::table table;
  try {
    table = toml::parse(std::string_view(text), std::string_view(file_name));
  } catch (const toml::parse_error& error) {
    auto at = error.source().begin;
    throw Error(std::string(error.description()),
                {file, static_cast<int>(at.line), static_cast<int>(at.column), 1});
  }
  Card card;
  CardReader reader{table, file, {}};
  card.name = file_name.rsplit('/').second.empty() ? file_name.str() : file_name.rsplit('/').second.str();
  card.name = llvm::StringRef(card.name).split('.').first.str();
  reader.read("title", card.title);
  reader.read("arch", card.arch);
  reader.read("source", card.source);
  reader.read("sms", card.sms);
  reader.read("clock_ghz", card.clock_ghz);
  reader.read("shared_bytes_per_block", card.shared_bytes_per_block);
  reader.read("shared_bytes_per_sm", card.shared_bytes_per_sm);
  reader.read("registers_per_sm", card.registers_per_sm);
  reader.read("threads_per_sm", card.threads_per_sm);
  reader.read("l2_bytes", card.l2_bytes);
  reader.read("dram_gb_s", card.dram_gb_s);
  reader.read("l2_gb_s", card.l2_gb_s);
  reader.read("tensor_16_tflops", card.tensor_16_tflops);
  reader.read("tensor_tf32_tflops", card.tensor_tf32_tflops);
  reader.read("f32_tflops", card.f32_tflops);
  reader.read("sfu_gops", card.sfu_gops);
  reader.read("launch_us", card.launch_us);
  reader.read("library_efficiency", card.library_efficiency);
  reader.read("generated_efficiency", card.generated_efficiency);
  reader.read("dram_efficiency", card.dram_efficiency);
  reader.read("uncertainty", card.uncertainty);
  for (auto&& [key, node] : table)
    if (!llvm::is_contained(reader.known, llvm::StringRef(key.str().data(), key.str().size())))
      throw Error("a card has no key `" + std::string(key.str()) + "`",
                  {file, static_cast<int>(node.source().begin.line), 1, static_cast<int>(key.str().size())},
                  nearest(std::string(key.str()), reader.known));
  return card;
}

const std::vector<Card>& cards() {
  static const std::vector<Card> all = [] {
    std::vector<Card> read;
    for (const EmbeddedFile& file : embedded_cards()) read.push_back(parse_card(file.text, file.path));
    llvm::sort(read, [](const Card& a, const Card& b) { return a.name < b.name; });
    return read;
  }();
  return all;
}

const Card& find_target(llvm::StringRef name) {
  llvm::StringRef wanted = name;
  for (const Reference& reference : kReferences)
    if (reference.arch == name) wanted = reference.card;
  for (const Card& card : cards())
    if (card.name == wanted) return card;
  std::vector<llvm::StringRef> names;
  for (const Card& card : cards()) names.push_back(card.name);
  for (const Reference& reference : kReferences) names.push_back(reference.arch);
  std::string near = nearest(name, names);
  throw Error("no target '" + name.str() + "'", {},
              (near.empty() ? "" : "did you mean '" + near + "'? ") + "targets: " + target_names());
}

bool is_architecture(llvm::StringRef name) {
  return llvm::any_of(kReferences, [&](const Reference& reference) { return reference.arch == name; });
}

}  // namespace tenon
