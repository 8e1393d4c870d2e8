// select_test.cpp: covers are least-cost, policies and pins hold, losers keep their reasons.
#include "passes/select.h"

#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "ir/model.h"
#include "passes/passes.h"

using namespace tenon;

namespace {

/// A family that takes what its function prices; a negative price refuses.
class PricedFamily final : public KernelFamily {
 public:
  using Price = std::function<double(const Region&)>;
  PricedFamily(std::string name, std::string implementation, Price price)
      : name_(std::move(name)), implementation_(std::move(implementation)), price_(std::move(price)) {}
  llvm::StringRef name() const override { return name_; }
  std::string refuses(const Region& region, const Target&) const override {
    return price_(region) < 0 ? "too dear" : "";
  }
  std::vector<Candidate> candidates(const Region& region, const Target&) const override {
    Candidate candidate;
    candidate.implementation = implementation_;
    candidate.config = name_ + "-config";
    candidate.estimate.us = price_(region);
    candidate.estimate.uncertainty = 0.1;
    count_work(region, candidate.estimate);
    return {candidate};
  }

 private:
  std::string name_, implementation_;
  Price price_;
};

std::unique_ptr<Graph> build(const std::string& body, const std::string& more = "") {
  std::string text =
      "tenon = 1\n[model]\nname = \"m\"\ndtype = \"f32\"\n[inputs]\nx = { shape = [4, 8] }\n[weights]\nw = { "
      "shape = [8, 8] }\nb = { shape = [8] }\n" +
      more + "[graph]\nbody = [" + body + "]\noutputs = [\"y\"]\n";
  Model model = Model::parse(std::make_shared<const SourceFile>(SourceFile{"m.toml", text}));
  return model.build(model.bind({}, {}));
}

bool product(const Region& region) { return region.pattern == Pattern::kProduct; }

struct Setup {
  PricedFamily generated, library, rest;
  Target target;
  SelectOptions options;

  Setup(double fused, double bare)
      : generated("gemm", "generated",
                  [=](const Region& r) {
                    if (!product(r) || r.nodes.front()->op() != Op::kMatmul) return -1.0;
                    return r.nodes.size() > 1 ? fused : bare + 1;
                  }),
        library("cublaslt", "cublaslt",
                [=](const Region& r) { return product(r) && r.nodes.size() == 1 ? bare : -1; }),
        rest("elementwise", "generated",
             [](const Region& r) { return r.pattern == Pattern::kElementwise ? 2.0 : -1; }) {
    target.card = find_target("h200");
  }
  Selection run(Graph& graph) {
    const KernelFamily* all[] = {&generated, &library, &rest};
    return select(propose_fusions(graph), all, target, Facts(), options);
  }
};

constexpr char kGelu[] = "'h = x @ w + b', 'y = gelu(h)'";

}  // namespace

TEST_CASE(
    "a fused product wins when it beats library product and elementwise kernel together by more than the "
    "band") {
  auto graph = build(kGelu);
  Setup setup(10, 9.5);  // fused 10 (11 with the band) against 9.5 + 2
  Selection selection = setup.run(*graph);
  REQUIRE(selection.choices.size() == 1);
  CHECK(selection.choices[0].region.note == "product + add + gelu");
  CHECK(selection.predicted_us == doctest::Approx(10));
  CHECK(selection.unfused_launches == 3);
}

TEST_CASE("within the band of uncertainty the library is chosen, and the loser says so") {
  auto graph = build(kGelu);
  Setup setup(11, 9.5);  // 11 < 11.5, but 12.1 with the band
  Selection selection = setup.run(*graph);
  REQUIRE(selection.choices.size() == 2);
  CHECK(selection.choices[0].candidate().implementation == "cublaslt");
  CHECK(selection.choices[1].region.pattern == Pattern::kElementwise);
  CHECK(selection.predicted_us == doctest::Approx(11.5));
  bool told = false;
  for (const LostCover& lost : selection.lost)
    if (lost.what == "product + add + gelu")
      told = llvm::StringRef(lost.why).contains("within the band of uncertainty");
  CHECK(told);
}

TEST_CASE("a measured time needs no band") {
  auto graph = build(kGelu);
  Setup setup(11, 9.5);
  Facts facts;
  for (Region& region : propose_fusions(*graph).regions)
    if (region.note == "product + add + gelu") facts.measured_us[{region.key, "gemm-config"}] = 11.2;
  const KernelFamily* all[] = {&setup.generated, &setup.library, &setup.rest};
  Selection selection = select(propose_fusions(*graph), all, setup.target, facts, setup.options);
  REQUIRE(selection.choices.size() == 1);
  CHECK(selection.choices[0].candidate().estimate.basis == Basis::kMeasured);
  CHECK(selection.choices[0].candidate().estimate.us == 11.2);
}

TEST_CASE("a config that was rejected on the card loses with the reason") {
  auto graph = build(kGelu);
  Setup setup(1, 9.5);
  Facts facts;
  for (Region& region : propose_fusions(*graph).regions)
    if (region.note == "product + add + gelu") facts.rejected[{region.key, "gemm-config"}] = "wrong values";
  const KernelFamily* all[] = {&setup.generated, &setup.library, &setup.rest};
  Selection selection = select(propose_fusions(*graph), all, setup.target, facts, setup.options);
  REQUIRE(selection.choices.size() == 2);
  REQUIRE(selection.not_fused.size() == 1);
  CHECK(llvm::StringRef(selection.not_fused[0].reason).contains("gemm-config: wrong values"));
}

TEST_CASE(
    "policies: fused takes generated kernels and few launches, library takes products from the library") {
  auto graph = build(kGelu);
  Setup setup(50, 9.5);
  setup.options.policy = Policy::kFused;
  CHECK(setup.run(*graph).choices.size() == 1);
  setup.options.policy = Policy::kLibrary;
  Selection selection = setup.run(*graph);
  REQUIRE(selection.choices.size() == 2);
  CHECK(selection.choices[0].candidate().implementation == "cublaslt");
  setup.target.library = false;
  CHECK_THROWS_WITH_AS(setup.run(*graph), doctest::Contains("policy library needs cuBLASLt"), Error);
}

TEST_CASE("[policy] of a site beats the cost model; a pin takes a config by name") {
  auto graph = build(kGelu);
  Setup setup(1, 9.5);
  PolicyEntry unfused{"mlp", "unfused", {}}, library{"mlp.in", "library", {}},
      pin{"mlp.*", "cublaslt-config", {}};
  for (const PolicyEntry* entry : {&library, &pin}) {
    setup.options.site_policy = *entry;
    Selection selection = setup.run(*graph);
    REQUIRE(selection.choices.size() == 2);
    CHECK(selection.choices[0].candidate().implementation == "cublaslt");
  }
  setup.options.site_policy = unfused;
  Selection selection = setup.run(*graph);
  for (const Choice& choice : selection.choices)
    if (product(choice.region)) CHECK(choice.region.nodes.size() == 1);
}

TEST_CASE("an entry of [policy] that steers nothing is an error with its place and the nearest name") {
  auto graph = build(kGelu);
  Setup setup(1, 9.5);
  auto file = std::make_shared<const SourceFile>(SourceFile{"m.toml", "\"mlp.in\" = 1\n"});
  auto error_of = [&](const char* pattern, const char* choice) -> std::string {
    PolicyEntry entry{pattern, choice, {file, 1, 1, 8}};
    setup.options.site_policy = entry;
    try {
      setup.run(*graph);
    } catch (const Error& error) {
      CHECK(error.status() == Status::kBadInput);
      return error.what();
    }
    return "";
  };
  CHECK(error_of("mlp.in", "libary") ==
        "m.toml:1:1: error: [policy]: 'libary' is neither library, fused, unfused nor a config at mlp.in "
        "with these dims\n"
        "  1 | \"mlp.in\" = 1\n    | ^~~~~~~~\n  hint: did you mean 'library'?\n");
  CHECK(llvm::StringRef(error_of("mlp.in", "gem-config")).contains("did you mean 'gemm-config'?"));
  CHECK(llvm::StringRef(error_of("mpl.in", "library")).contains("no site matches 'mpl.in'"));
  CHECK(llvm::StringRef(error_of("mpl.in", "library")).contains("did you mean 'mlp.in'?"));
  CHECK(error_of("mlp.in", "gemm-config") == "");
}

TEST_CASE("a pin binds the matching sites that know its config and leaves the others alone") {
  auto graph = build("'h = gelu(x @ w + b)', 'y = h @ w'");
  Setup setup(1, 9.5);
  PricedFamily last("last", "generated", [](const Region& region) {
    return region.site == "mlp.out" && region.nodes.size() == 1 ? 100.0 : -1;
  });
  PolicyEntry pin{"mlp", "last-config", {}};
  setup.options.site_policy = pin;
  const KernelFamily* all[] = {&setup.generated, &setup.library, &setup.rest, &last};
  Selection selection = select(propose_fusions(*graph), all, setup.target, Facts(), setup.options);
  REQUIRE(selection.choices.size() == 2);
  CHECK(selection.choices[0].region.note == "product + add + gelu");
  CHECK(selection.choices[1].candidate().config == "last-config");
}

TEST_CASE("the reason names a rival that could run, or why it could not") {
  auto graph = build(kGelu);
  Setup setup(50, 9.5);
  setup.options.policy = Policy::kFused;
  Selection selection = setup.run(*graph);
  CHECK(selection.choices[0].why == "the only candidate");
  PolicyEntry unfused{"mlp", "unfused", {}};
  setup.options.site_policy = unfused;
  setup.options.policy = Policy::kAuto;
  CHECK(setup.run(*graph).choices[0].why == "9.50 us against 10.5 us of generated gemm-config");
  PolicyEntry fused{"mlp", "fused", {}};
  setup.options.site_policy = fused;
  Setup bare(-1, 9.5);
  bare.options.site_policy = fused;
  CHECK(bare.run(*graph).choices[0].why ==
        "10.5 us against 9.50 us of cublaslt cublaslt-config: [policy] takes generated kernels at this site");
}

TEST_CASE("repetitions of a block share decisions, and the choice is the same in each") {
  auto graph = build("'y = repeat(layer, 5, x)'",
                     "[block.layer]\nargs = ['x']\nreturns = ['x']\nbody = ['x = gelu(x @ w + b)']\n"
                     "[block.layer.weights]\nw = { shape = [8, 8] }\nb = { shape = [8] }\n");
  Setup setup(10, 9.5);
  Selection selection = setup.run(*graph);
  REQUIRE(selection.choices.size() == 5);
  for (int i = 0; i < 5; ++i) {
    CHECK(selection.choices[i].region.site == "layer." + std::to_string(i) + ".mlp.in");
    CHECK(selection.choices[i].decision == selection.choices[0].decision);
    CHECK(selection.choices[i].region.key == selection.choices[0].region.key);
  }
}

TEST_CASE("an op that no family takes is an error with its line and the families' reasons") {
  auto graph = build("'h = x @ w', 'y = cumsum(h, axis=-1)'");
  Setup setup(1, 1);
  try {
    setup.run(*graph);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kMachineCannot);
    CHECK(llvm::StringRef(error.what()).contains("no kernel family can run cumsum on h200"));
    CHECK(llvm::StringRef(error.what()).contains("elementwise: too dear"));
    CHECK(error.diagnostics()[0].location.known());
  }
}
