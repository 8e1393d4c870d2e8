// Models written by calls: the TOML that comes out.
#include "runtime/model_text.h"

#include <doctest/doctest.h>

using namespace tenon;

TEST_CASE("declarations and equations in order, sections together") {
  ModelText model("ffn", "bf16");
  model.dim("T", 1, 64);
  model.declare("inputs", "x", "T, D", "");
  model.dim("D", 8, 8);
  model.declare("weights", "w", "D,4*D", "f32");
  model.declare("inputs", "p", "", "i32");
  model.equation("h = gelu(x @ w, approximate=\"tanh\")");
  model.equation("y = h + 1.0");
  model.output("y");
  model.output("h");
  CHECK(model.toml() == R"toml(tenon = 1
[model]
name = "ffn"
dtype = "bf16"
[dims]
"T" = "1..64"
"D" = 8
[inputs]
"x" = { shape = ["T", "D"] }
"p" = { shape = [], dtype = "i32" }
[weights]
"w" = { shape = ["D", "4*D"], dtype = "f32" }
[graph]
body = [
  "h = gelu(x @ w, approximate=\"tanh\")",
  "y = h + 1.0",
]
outputs = ["y", "h"]
)toml");
}

TEST_CASE("nothing that a caller gives breaks out of its string") {
  ModelText model("a\"\nb", "f32");
  model.declare("inputs", "x\\", ",", "");
  const std::string text = model.toml();
  CHECK(text.find("name = \"a\\\"\\u000Ab\"\n") != std::string::npos);
  CHECK(text.find("\"x\\\\\" = { shape = [\"\", \"\"] }\n") != std::string::npos);
}
