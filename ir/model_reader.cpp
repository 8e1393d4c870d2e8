// model_reader.cpp: one function a table of the file.
#include "ir/model_reader.h"

#include <cmath>

#include "ir/check_names.h"
#include "ir/lower_call.h"
#include "ir/operations.h"
#include "ir/printable.h"
#include "ir/rope_table_reader.h"
#include "ir/toml_document.h"
#include "llvm/ADT/StringSet.h"

namespace tenon {
namespace {

using Kind = TomlNode::Kind;
constexpr int64_t kMaxExtent = int64_t{1} << 62;

class Reader {
 public:
  Reader(TomlDocument document, Declarations& out, ErrorList& errors)
      : document_(std::move(document)), out_(out), errors_(errors) {}
  void read();

 private:
  void read_version();
  void read_model(const TomlNode& table);
  void read_dims(const TomlNode& table);
  void read_dim(const TomlNode& entry);
  void read_policy(const TomlNode& table);
  void read_blocks(const TomlNode& table);
  void read_block(const TomlNode& entry);
  void read_graph(const TomlNode& table);
  void read_outputs(const TomlNode& value);
  void read_output(const TomlNode& entry);
  void read_body(const TomlNode& value, BlockDeclaration& into);
  void read_names(const TomlNode& value, std::vector<Equation::Target>& into);
  enum class Role { kInput, kWeight, kState };
  void read_tensors(const TomlNode& table, Role role, std::vector<TensorDeclaration>& into,
                    llvm::StringSet<>& taken, bool in_block);
  void read_tensor(const TomlNode& entry, Role role, TensorDeclaration& into, bool in_block);
  bool read_shape(const TomlNode& value, std::vector<Expression>& into);
  bool read_from(const TomlNode& value, std::optional<NameTemplate>& into, bool in_block);
  void read_quant(const TomlNode& value, TensorDeclaration& into);
  std::optional<DType> read_dtype(const TomlNode& value);
  bool check_shape(const Expression& expression, bool in_from, bool in_block);

  bool expect(const TomlNode& node, Kind kind, const std::string& what);
  std::string text(const TomlNode& node) const { return document_.text(node).text().str(); }
  /// Adds an error for each key that is not one of `allowed`.
  void check_keys(const TomlNode& table, llvm::ArrayRef<llvm::StringRef> allowed, const std::string& where);
  bool check_name(const std::string& name, const Location& location, const char* what, bool dim_too = true);
  /// For texts that are shown and not parsed.
  bool check_printable(llvm::StringRef text, const Location& location, const char* what);
  void error(std::string message, const TomlNode& node, std::string hint = {}) {
    errors_.add(std::move(message), document_.at(node), std::move(hint));
  }

  TomlDocument document_;
  Declarations& out_;
  ErrorList& errors_;
  std::optional<DType> dtype_;
  bool dtype_wrong_ = false;
};

bool Reader::expect(const TomlNode& node, Kind kind, const std::string& what) {
  if (node.kind == kind) return true;
  error(what + " must be " + name_of(kind).str() + ", not " + name_of(node.kind).str(), node);
  return false;
}

void Reader::check_keys(const TomlNode& table, llvm::ArrayRef<llvm::StringRef> allowed,
                        const std::string& where) {
  for (const TomlNode& child : table.children) {
    if (llvm::is_contained(allowed, child.key)) continue;
    std::string hint = did_you_mean(child.key, allowed);
    if (hint.empty())
      for (llvm::StringRef key : allowed) hint += (hint.empty() ? "keys here: " : ", ") + key.str();
    errors_.add("unknown key '" + child.key + "' in " + where, document_.key_at(child), hint);
  }
}

bool Reader::check_name(const std::string& name, const Location& location, const char* what, bool dim_too) {
  if (!is_name(name)) {
    errors_.add(std::string(what) + " '" + name + "' is no name", location,
                "names are letters, digits and _, and do not begin with a digit");
    return false;
  }
  if (is_reserved(name)) {
    errors_.add("'" + name + "' is reserved", location, "choose another name");
    return false;
  }
  if (dim_too && out_.find_dim(name)) {
    errors_.add("'" + name + "' is a dim; a value needs another name", location);
    return false;
  }
  return true;
}

bool Reader::check_printable(llvm::StringRef text, const Location& location, const char* what) {
  if (is_printable(text)) return true;
  errors_.add(std::string(what) + " holds a control character", location,
              "name it without line ends and escapes");
  return false;
}

// --- [model], [dims], [policy]

void Reader::read_version() {
  const TomlNode* version = document_.root.find("tenon");
  if (!version)
    throw Error("the file does not say which version of the language it is in", document_.lines->at(0, 1),
                "begin it with `tenon = 1`");
  if (version->kind != Kind::kInteger || version->integer != 1)
    throw Error("this program reads version 1 of the language", document_.at(*version), "`tenon = 1`");
}

void Reader::read_model(const TomlNode& table) {
  if (!expect(table, Kind::kTable, "[model]")) return;
  check_keys(table, {"name", "dtype", "tf32"}, "[model]");
  if (const TomlNode* name = table.find("name"); name && expect(*name, Kind::kString, "name")) {
    out_.name = text(*name);
    check_printable(out_.name, document_.at(*name), "the model's name");
  }
  if (const TomlNode* tf32 = table.find("tf32"); tf32 && expect(*tf32, Kind::kBool, "tf32"))
    out_.tf32 = tf32->boolean;
  if (const TomlNode* dtype = table.find("dtype")) {
    dtype_ = read_dtype(*dtype);
    dtype_wrong_ = !dtype_;
  }
}

std::optional<DType> Reader::read_dtype(const TomlNode& value) {
  if (!expect(value, Kind::kString, "dtype")) return std::nullopt;
  std::string name = text(value);
  auto found = parse_dtype(name);
  if (!found) error("unknown data type \"" + name + "\"", value, dtype_hint(name));
  return found;
}

void Reader::read_dims(const TomlNode& table) {
  if (!expect(table, Kind::kTable, "[dims]")) return;
  for (const TomlNode& entry : table.children) read_dim(entry);
}

void Reader::read_dim(const TomlNode& entry) {
  if (!check_name(entry.key, document_.key_at(entry), "the dim")) return;
  ModelDim dim{entry.key, 1, 1,
               document_.key_at(entry)};  // what is wrong counts as 1, so that it is not unknown too
  if (entry.kind == Kind::kInteger) {
    dim.lower = dim.upper = entry.integer;
  } else if (entry.kind == Kind::kString) {
    std::string bounds = text(entry);
    auto [low, high] = llvm::StringRef(bounds).split("..");
    if (low.trim().getAsInteger(10, dim.lower) || high.trim().getAsInteger(10, dim.upper)) {
      error("a dim is an integer or a range, not \"" + bounds + "\"", entry,
            "T = 16 is fixed, T = \"1..4096\" is bound when the model runs");
      dim.lower = dim.upper = 1;
    }
  } else {
    expect(entry, Kind::kInteger, "a dim");
  }
  if (dim.lower < 0 || dim.upper < dim.lower || dim.upper > kMaxExtent) {
    error(dim.lower < 0           ? "a dim is not negative"
          : dim.upper < dim.lower ? "this range is empty"
                                  : "this dim is too large: more than 2^62",
          entry);
    dim.lower = dim.upper = 1;
  }
  out_.dim_index[entry.key] = out_.dims.size();
  out_.dims.push_back(std::move(dim));
}

void Reader::read_policy(const TomlNode& table) {
  if (!expect(table, Kind::kTable, "[policy]")) return;
  for (const TomlNode& entry : table.children)
    if (expect(entry, Kind::kString, "a policy"))
      out_.policy.push_back({entry.key, text(entry), document_.key_at(entry)});
}

// --- [inputs], [weights], [state]

void Reader::read_tensors(const TomlNode& table, Role role, std::vector<TensorDeclaration>& into,
                          llvm::StringSet<>& taken, bool in_block) {
  static constexpr const char* kNames[] = {"inputs", "weights", "state"};
  if (!expect(table, Kind::kTable, kNames[static_cast<int>(role)])) return;
  for (const TomlNode& entry : table.children) {
    TensorDeclaration& declaration = into.emplace_back();
    declaration.name = entry.key;
    declaration.location = document_.key_at(entry);
    declaration.valid = check_name(entry.key, declaration.location, "the tensor");
    if (!taken.insert(entry.key).second) {
      errors_.add("'" + entry.key + "' is declared twice", declaration.location);
      declaration.valid = false;
    }
    read_tensor(entry, role, declaration, in_block);
  }
}

void Reader::read_tensor(const TomlNode& entry, Role role, TensorDeclaration& into, bool in_block) {
  size_t before = errors_.count();
  if (!expect(entry, Kind::kTable, "'" + entry.key + "'")) {
    into.valid = false;
    return;
  }
  if (role == Role::kWeight)
    check_keys(entry, {"shape", "dtype", "from", "rope", "quant"}, "the weight '" + entry.key + "'");
  else
    check_keys(entry, {"shape", "dtype"}, "'" + entry.key + "'");
  if (const TomlNode* shape = entry.find("shape"))
    into.valid &= read_shape(*shape, into.shape);
  else if (errors_.count() == before)  // a key in error is the shape, misspelt
    errors_.add("'" + entry.key + "' has no shape", into.location, "shape = [] is a scalar");
  const TomlNode *dtype = entry.find("dtype"), *rope = role == Role::kWeight ? entry.find("rope") : nullptr;
  std::optional<DType> type = dtype ? read_dtype(*dtype) : rope ? DType::kF32 : dtype_;
  into.dtype = type.value_or(DType::kF32);
  if (!type && !dtype && !dtype_wrong_)
    errors_.add("'" + entry.key + "' has no data type", into.location,
                "give it dtype = \"f32\", or give [model] one");
  if (!type) into.valid = false;
  if (role == Role::kWeight) {
    if (const TomlNode* from = entry.find("from")) into.valid &= read_from(*from, into.from, in_block);
    if (const TomlNode* quant = entry.find("quant")) read_quant(*quant, into);
    if (rope) into.rope = read_rope_table(document_, *rope, errors_);
    if (rope && type && (type != DType::kF32 || into.shape.size() != 1))
      errors_.add("a rope table is f32 with one axis", into.location, "shape = [\"Dh//2\"], dtype = \"f32\"");
  }
  if (errors_.count() != before) into.valid = false;
}

bool Reader::read_shape(const TomlNode& value, std::vector<Expression>& into) {
  if (!expect(value, Kind::kArray, "shape")) return false;
  if (value.children.size() > kMaxRank) {
    error("a tensor has at most " + std::to_string(kMaxRank) + " axes", value);
    return false;
  }
  bool valid = true;
  for (const TomlNode& extent : value.children) {
    if (extent.kind == Kind::kInteger) {
      Expression number;
      number.kind = Expression::Kind::kInteger;
      number.integer = extent.integer;
      number.location = document_.at(extent);
      into.push_back(std::move(number));
      if (extent.integer >= 0 && extent.integer <= kMaxExtent) continue;
      error(extent.integer < 0 ? "a negative extent" : "this extent is too large: more than 2^62", extent);
      valid = false;
    } else if (extent.kind == Kind::kString) {
      try {
        into.push_back(parse_expression(document_.text(extent)));
        valid &= check_shape(into.back(), false, false);
      } catch (const Error& error) {
        errors_.add(error);
        valid = false;
      }
    } else {
      expect(extent, Kind::kInteger, "an extent");
      valid = false;
    }
  }
  return valid;
}

bool Reader::check_shape(const Expression& expression, bool in_from, bool in_block) {
  switch (expression.kind) {
    case Expression::Kind::kInteger: return true;
    case Expression::Kind::kName: {
      if (out_.find_dim(expression.text) || (in_block && expression.text == "i")) return true;
      std::vector<llvm::StringRef> names;
      for (const ModelDim& dim : out_.dims) names.push_back(dim.name);
      if (in_block) names.push_back("i");
      errors_.add("unknown dim '" + expression.text + "'", expression.location,
                  in_from && !in_block && expression.text == "i" ? "{i} counts the repetitions of a block"
                                                                 : did_you_mean(expression.text, names));
      return false;
    }
    case Expression::Kind::kNegate: return check_shape(expression.operands[0], in_from, in_block);
    case Expression::Kind::kBinary:
      if (expression.text == "+" || expression.text == "-" || expression.text == "*" ||
          expression.text == "//") {
        bool left = check_shape(expression.operands[0], in_from, in_block);
        return check_shape(expression.operands[1], in_from, in_block) && left;
      }
      break;
    default: break;
  }
  errors_.add("a shape expression has integers, dims, + - * // and parentheses only", expression.location);
  return false;
}

bool Reader::read_from(const TomlNode& value, std::optional<NameTemplate>& into, bool in_block) {
  if (!expect(value, Kind::kString, "from")) return false;
  SourceText source = document_.text(value);
  llvm::StringRef text = source.text();
  if (!check_printable(text, document_.at(value), "the tensor's name")) return false;
  into.emplace();
  size_t at = 0;
  while (true) {
    size_t open = text.find('{', at);
    into->parts.push_back(text.slice(at, open).str());
    if (open == llvm::StringRef::npos) return true;
    size_t close = text.find('}', open);
    if (close == llvm::StringRef::npos) {
      errors_.add("this { is not closed", source.at(open, open + 1), "{i} stands for the repetition");
      return false;
    }
    try {
      into->holes.push_back(parse_expression(source.slice(open + 1, close)));
    } catch (const Error& error) {
      errors_.add(error);
      return false;
    }
    if (!check_shape(into->holes.back(), true, in_block)) return false;
    at = close + 1;
  }
}

void Reader::read_quant(const TomlNode& value, TensorDeclaration& into) {
  if (!expect(value, Kind::kTable, "quant")) return;
  check_keys(value, {"scheme", "group"}, "quant");
  Quantisation quant;
  const TomlNode *scheme = value.find("scheme"), *group = value.find("group");
  if (!scheme || !group)
    error("quant needs a scheme and a group", value, "quant = { scheme = \"int4\", group = 128 }");
  if (scheme && expect(*scheme, Kind::kString, "scheme")) {
    const std::string name = text(*scheme);
    if (name != "int4" && name != "int8") error("unknown scheme \"" + name + "\"", *scheme, "int4 or int8");
    quant.bits = name == "int8" ? 8 : 4;
  }
  if (group && expect(*group, Kind::kInteger, "group")) {
    if (group->integer < 1) error("a group has at least 1 element", *group);
    quant.group = group->integer;
  }
  if (into.dtype != DType::kF32 && into.dtype != DType::kF16 && into.dtype != DType::kBF16)
    errors_.add(
        "'" + into.name + "' is quantised, so it is f32, f16 or bf16, not " + name_of(into.dtype).str(),
        into.location, "dtype is that of the scales and of what kernels compute with");
  if (into.shape.size() < 2 && into.valid)
    errors_.add("'" + into.name + "' is quantised, so it has two axes or more", into.location,
                "shape = [\"out\", \"in\"]: groups run along the last");
  into.quant = quant;
}

// --- [block.*], [graph]

void Reader::read_names(const TomlNode& value, std::vector<Equation::Target>& into) {
  if (!expect(value, Kind::kArray, value.key)) return;
  for (const TomlNode& name : value.children)
    if (expect(name, Kind::kString, "a name")) into.push_back({text(name), document_.at(name)});
}

void Reader::read_body(const TomlNode& value, BlockDeclaration& into) {
  if (!expect(value, Kind::kArray, "body")) {
    into.valid = false;
    return;
  }
  for (const TomlNode& line : value.children) {
    if (!expect(line, Kind::kString, "an equation")) {
      into.valid = false;
      continue;
    }
    Equation equation;
    try {
      parse_equation(document_.text(line), equation);
    } catch (const Error& error) {
      errors_.add(error);
    }
    if (!equation.targets.empty()) into.body.push_back(std::move(equation));
  }
}

void Reader::read_blocks(const TomlNode& table) {
  if (!expect(table, Kind::kTable, "[block]")) return;
  for (const TomlNode& entry : table.children) {
    bool named = check_name(entry.key, document_.key_at(entry), "the block", false);
    if (named && find_operation(entry.key)) {
      errors_.add("'" + entry.key + "' is an operation; a block needs another name", document_.key_at(entry));
      named = false;
    }
    if (!expect(entry, Kind::kTable, "[block." + entry.key + "]")) continue;
    read_block(entry);
    if (named) out_.block_index[entry.key] = out_.blocks.size() - 1;
  }
}

void Reader::read_block(const TomlNode& entry) {
  BlockDeclaration& block = out_.blocks.emplace_back();
  block.name = entry.key;
  block.location = document_.key_at(entry);
  check_keys(entry, {"args", "returns", "body", "weights", "state"}, "[block." + entry.key + "]");
  llvm::StringSet<> taken;
  size_t before = errors_.count();
  if (const TomlNode* args = entry.find("args")) read_names(*args, block.args);
  for (const auto& arg : block.args) {
    check_name(arg.name, arg.location, "the arg", false);  // the walk over the body reports a dim's name
    if (!taken.insert(arg.name).second) errors_.add("'" + arg.name + "' is declared twice", arg.location);
  }
  if (const TomlNode* returns = entry.find("returns"))
    read_names(*returns, block.returns);
  else
    errors_.add("block '" + entry.key + "' has no returns", block.location, "returns = [\"x\"]");
  block.valid = errors_.count() == before;
  if (const TomlNode* weights = entry.find("weights"))
    read_tensors(*weights, Role::kWeight, block.weights, taken, true);
  if (const TomlNode* state = entry.find("state"))
    read_tensors(*state, Role::kState, block.state, taken, true);
  if (const TomlNode* body = entry.find("body"))
    read_body(*body, block);
  else
    errors_.add("block '" + entry.key + "' has no body", block.location, "body = ['y = relu(x)']");
}

void Reader::read_graph(const TomlNode& table) {
  if (!expect(table, Kind::kTable, "[graph]")) return;
  check_keys(table, {"body", "outputs"}, "[graph]");
  out_.graph.location = document_.key_at(table);
  if (const TomlNode* body = table.find("body"))
    read_body(*body, out_.graph);
  else
    errors_.add("[graph] has no body", out_.graph.location, "body = ['y = relu(x)']");
  if (const TomlNode* outputs = table.find("outputs"))
    read_outputs(*outputs);
  else
    errors_.add("[graph] has no outputs", out_.graph.location, "outputs = [\"y\"]");
}

void Reader::read_outputs(const TomlNode& value) {
  if (value.kind != Kind::kArray && value.kind != Kind::kTable)
    return error("outputs must be an array of names or a table", value);
  if (value.children.empty()) error("a model needs an output", value);
  for (const TomlNode& entry : value.children) read_output(entry);
  llvm::StringSet<> taken;
  for (const OutputDeclaration& output : out_.outputs)
    if (!taken.insert(output.name).second)
      errors_.add("the output '" + output.name + "' stands twice", output.location);
}

void Reader::read_output(const TomlNode& entry) {
  if (entry.key.empty()) {  // an element of an array
    if (expect(entry, Kind::kString, "an output"))
      out_.outputs.push_back({text(entry), text(entry), {}, document_.at(entry)});
    return;
  }
  if (!expect(entry, Kind::kTable, "the output '" + entry.key + "'")) return;
  check_keys(entry, {"dtype", "from"}, "the output '" + entry.key + "'");
  OutputDeclaration output{entry.key, entry.key, {}, document_.key_at(entry)};
  check_printable(output.name, output.location, "the output's name");
  if (const TomlNode* from = entry.find("from"); from && expect(*from, Kind::kString, "from")) {
    output.from = text(*from);
    output.location = document_.at(*from);
  }
  if (const TomlNode* dtype = entry.find("dtype")) output.dtype = read_dtype(*dtype);
  out_.outputs.push_back(std::move(output));
}

void Reader::read() {
  const TomlNode& root = document_.root;
  read_version();
  check_keys(root, {"tenon", "model", "dims", "inputs", "weights", "state", "block", "graph", "policy"},
             "the file");
  for (llvm::StringRef required : {"model", "graph"})
    if (!root.find(required))
      errors_.add("the file has no [" + required.str() + "]", document_.lines->at(0, 1));
  llvm::StringSet<> taken;
  if (const TomlNode* table = root.find("model")) read_model(*table);
  if (const TomlNode* table = root.find("dims")) read_dims(*table);
  if (const TomlNode* table = root.find("policy")) read_policy(*table);
  if (const TomlNode* table = root.find("inputs"))
    read_tensors(*table, Role::kInput, out_.inputs, taken, false);
  if (const TomlNode* table = root.find("weights"))
    read_tensors(*table, Role::kWeight, out_.graph.weights, taken, false);
  if (const TomlNode* table = root.find("state"))
    read_tensors(*table, Role::kState, out_.graph.state, taken, false);
  if (const TomlNode* table = root.find("block")) read_blocks(*table);
  if (const TomlNode* table = root.find("graph")) read_graph(*table);
}

}  // namespace

Declarations read_declarations(std::shared_ptr<const SourceFile> file, ErrorList& errors) {
  Declarations result;
  result.file = file;
  Reader(read_toml(file), result, errors).read();
  return result;
}

}  // namespace tenon
