// The PTX parser against mutations of real PTX and against texts made to be slow or large: whatever the text, it
// gives a module whose indices all hold or an Error with a place, in bounded time. Mutations come from a fixed
// seed, so a failure repeats; TENON_FUZZ_ROUNDS makes it longer.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>

#include "tests/fuzz/ptx_mutator.h"
#include "tests/fuzz/targets.h"

namespace tenon::ptx {
TEST_CASE("mutated PTX is read or refused in words") {
  const char* asked = std::getenv("TENON_FUZZ_ROUNDS");
  const int rounds = asked ? std::atoi(asked) : 6000;
  int accepted = 0;
  const std::vector<std::string> modules = seeds();
  REQUIRE(modules.size() == 3);
  for (int round = 0; round < rounds; ++round) {
    Mutator mutator(static_cast<uint64_t>(round) + 1);
    std::string text = modules[mutator.below(modules.size())];
    for (size_t i = 1 + mutator.below(4); i > 0 && !text.empty(); --i)
      mutator.mutate(text, modules[mutator.below(modules.size())]);
    bool read = false;
    const std::string problem = fuzz::ptx(text, &read);
    accepted += read;
    CAPTURE(round);
    REQUIRE(problem == "");
  }
  CHECK(accepted > rounds / 50);
  CHECK(accepted < rounds * 3 / 4);
}

TEST_CASE("every beginning of a module is read or refused") {
  for (const std::string& module : seeds())
    for (size_t length = 0; length < module.size(); length += 1 + length / 500) {
      CAPTURE(length);
      REQUIRE(fuzz::ptx(module.substr(0, length)) == "");
    }
}

TEST_CASE("texts made to be slow take no longer than their size") {
  struct Text {
    const char *before, *piece, *after = "";
  };
  const Text texts[] = {
      {"", "{ .reg .b32 a; mov.b32 a, 1; }\n"},
      {"", ".reg .b32 r#;\n"},
      {"", ".reg .b32 r#_<9>; mov.b32 r#_1, r#_2;\n"},
      {"", "bra END;\n"},
      {"", "bra L#; L#:\n"},
      {"{{{{{{{{{{{{{{{{{{{{", "{ bra END; }\n", "}}}}}}}}}}}}}}}}}}}}"},
      {"", "{"},
      {"", "{{{}}}"},
      {"mov.b32 {1", ",1", "};"},
      {".shared .b8 s; ld.b32 _, [s", "+1", "];"},
      {"mov.b32 _, x", "x", ";"},
      {"mov.b32 _, ", "1", ";"},
      {".reg .b32 r", "1", "; mov.b32 r1, 1;"},
      {"a", ".a", ";"},
      {"a", "::a", ";"},
      {"t: .branchtargets END", ", END", "; brx.idx 0, t; brx.idx 0, t; brx.idx 0, t;"},
      {"", "{ t: .branchtargets END, END, END, END, END, END; brx.idx 0, t; }\n"},
      {"", "/* "},
      {"", "\n"},
      {"", ".loc 1 # 1\n"},
      {"", ".loc 1 # 1, inlined_at 1 # 2\n"},
      {"", ".shared .b8 s#[4294967296];\n"},
      {"", "ret; } .func f#() { END:\n"},
      {"ret; }", ".func f# () ;\n", ".func g () {"},
      {"ret; } .global .b8 x[] = {1", ",1", "}; .func g () {"},
  };
  constexpr size_t kBytes = 2 << 20;
  for (const Text& made : texts)
    for (const char* end : {"\nEND: ret; }", "\nbra nowhere; END: }", "\nmov.b32 _, nothing; }"}) {
      const std::string text = ".version 8.5\n.target sm_90a\n.address_size 64\n.entry k() {\n" +
                               (made.before + repeat(made.piece, kBytes)) + made.after + end;
      CAPTURE(made.before);
      CAPTURE(made.piece);
      const auto begin = std::chrono::steady_clock::now();
      REQUIRE(fuzz::ptx(text) == "");
      CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < 20);
    }
}

}  // namespace tenon::ptx
