// language.h: a small model around equations, for the tests of the language.
#pragma once
#include <string>

#include "ir/model.h"
#include "ir/print.h"

namespace tenon {

/// A model of dtype f32 with dim T = 1..64, D = 8 and inputs of every type; `body` are its equations.
inline Model model_of(const std::string& body, const std::string& outputs = "[\"y\"]",
                      const std::string& tables = "") {
  std::string text = R"(tenon = 1
[model]
name = "m"
dtype = "f32"
[dims]
T = "1..64"
D = 8
[inputs]
x = { shape = ["T", "D"] }
n = { shape = ["T"], dtype = "i32" }
m = { shape = ["T", "D"], dtype = "bool" }
h = { shape = ["T", "D"], dtype = "f16" }
q = { shape = [1, 4, "T", "D"] }
k = { shape = [1, 2, "T", "D"] }
s = { shape = [1, "T", 32] }
p = { shape = [], dtype = "i32" }
t2 = { shape = [1, 3], dtype = "i32" }
[weights]
w = { shape = [16, "D"] }
b = { shape = [16] }
g = { shape = ["D"] }
f = { shape = [4] }
a4 = { shape = [4] }
e3 = { shape = [3, 5, "D"] }
)" + tables + "[graph]\nbody = [\n" +
                     body + "]\noutputs = " + outputs + "\n";
  return Model::parse(std::make_shared<SourceFile>(SourceFile{"m.toml", text}));
}

/// One equation a line.
inline std::string lines(std::initializer_list<const char*> equations) {
  std::string text;
  for (const char* equation : equations) text += "  '" + std::string(equation) + "',\n";
  return text;
}

/// The nodes that compute, one a line, and outputs of another name.
inline std::string computed(const Graph& graph) {
  NameTable names(graph);
  std::string text;
  for (const Node& node : graph.nodes()) {
    bool declared = node.op() == Op::kInput || node.op() == Op::kWeight || node.op() == Op::kState;
    if (!declared && !is_scalar_constant(node.result())) text += print(node, names) + "\n";
  }
  return text;
}

inline std::string computed(const std::string& equation) {
  Model model = model_of("  '" + equation + "',\n");
  return computed(*model.build(model.bind({{"T", 6}}, {})));
}

}  // namespace tenon
