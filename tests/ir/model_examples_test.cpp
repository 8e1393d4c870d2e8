// Every model of the tree is read, built for several bindings, and verified.
#include <doctest/doctest.h>

#include <filesystem>

#include "ir/diagnostics.h"
#include "ir/model.h"
#include "ir/print.h"
#include "ir/verify.h"

using namespace tenon;

TEST_CASE("every example builds for small, middle and large dynamic dims") {
  int models = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(TENON_SOURCE_DIR "/examples/models")) {
    if (entry.path().extension() != ".toml") continue;
    ++models;
    CAPTURE(entry.path().string());
    try {
      Model model = Model::read(entry.path().string());
      for (int64_t wanted : {1, 17, 100000}) {
        DimBinding given;
        for (const ModelDim& dim : model.dims())
          if (!dim.fixed()) given[dim.name] = std::min(wanted, dim.upper);
        auto graph = model.build(model.bind(given, {}));
        CHECK(verify(*graph) == "");
        CHECK(graph->outputs().size() >= 1);
      }
    } catch (const Error& error) {
      FAIL(error.what());
    }
  }
  CHECK(models >= 17);
}

TEST_CASE("ffn.toml prints as it reads") {
  Model model = Model::read(TENON_SOURCE_DIR "/examples/models/ffn.toml");
  std::vector<std::string> defaulted;
  DimBinding binding = model.bind({}, {}, &defaulted);
  CHECK(binding == DimBinding{{"D", 1024}, {"F", 4096}, {"T", 512}});
  CHECK(defaulted == std::vector<std::string>{"T"});
  CHECK(print(*model.build(binding)) == R"(%x = input {name = "x"} : bf16[T, 1024]
%w1 = weight {from = "w1", name = "w1"} : bf16[1024, 4096]
%b1 = weight {from = "b1", name = "b1"} : bf16[4096]
%w2 = weight {from = "w2", name = "w2"} : bf16[4096, 1024]
%b2 = weight {from = "b2", name = "b2"} : bf16[1024]
%0 = matmul %x, %w1 : bf16[T, 4096]
%1 = add %0, %b1 : bf16[T, 4096]
%h = gelu_tanh %1 : bf16[T, 4096]
%2 = matmul %h, %w2 : bf16[T, 1024]
%3 = add %2, %b2 : bf16[T, 1024]
%y = add %x, %3 : bf16[T, 1024]
return %y
)");
}
