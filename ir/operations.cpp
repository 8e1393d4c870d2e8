// operations.cpp: the table of signatures, and the binding of arguments to parameters.
#include "ir/operations.h"

#include <algorithm>

#include "ir/lower_operations.h"
#include "llvm/ADT/StringMap.h"

namespace tenon {
namespace {

struct Row {
  const char* signature;
  Operands (*lower)(Call&);
  Op op;
};

const Row kTable[] = {
    {"matmul(a, b)", lower_matmul, Op::kMatmul},
    {"linear(x, w, b=none)", lower_linear, Op::kMatmul},

    {"neg(x)", lower_unary, Op::kNeg},
    {"abs(x)", lower_unary, Op::kAbs},
    {"sign(x)", lower_unary, Op::kSign},
    {"exp(x)", lower_unary, Op::kExp},
    {"log(x)", lower_unary, Op::kLog},
    {"sqrt(x)", lower_unary, Op::kSqrt},
    {"rsqrt(x)", lower_unary, Op::kRsqrt},
    {"reciprocal(x)", lower_unary, Op::kReciprocal},
    {"erf(x)", lower_unary, Op::kErf},
    {"tanh(x)", lower_unary, Op::kTanh},
    {"sigmoid(x)", lower_unary, Op::kSigmoid},
    {"relu(x)", lower_unary, Op::kRelu},
    {"silu(x)", lower_unary, Op::kSilu},
    {"gelu(x, approximate=\"none\")", lower_gelu, Op::kGelu},
    {"sin(x)", lower_unary, Op::kSin},
    {"cos(x)", lower_unary, Op::kCos},
    {"floor(x)", lower_unary, Op::kFloor},
    {"ceil(x)", lower_unary, Op::kCeil},
    {"round(x)", lower_unary, Op::kRound},
    {"not(x)", lower_unary, Op::kNot},
    {"softplus(x)", lower_unary, Op::kSoftplus},
    {"leaky_relu(x, slope)", lower_leaky_relu, Op::kLeakyRelu},
    {"cast(x, dtype=\"f32\")", lower_cast, Op::kCast},
    {"clamp(x, min, max)", lower_clamp, Op::kMinimum},

    {"maximum(a, b, ..)", lower_fold, Op::kMaximum},
    {"minimum(a, b, ..)", lower_fold, Op::kMinimum},
    {"equal(a, b)", lower_pair, Op::kEqual},
    {"less(a, b)", lower_pair, Op::kLess},
    {"less_equal(a, b)", lower_pair, Op::kLessEqual},
    {"greater(a, b)", lower_pair, Op::kGreater},
    {"greater_equal(a, b)", lower_pair, Op::kGreaterEqual},
    {"and(a, b)", lower_pair, Op::kAnd},
    {"or(a, b)", lower_pair, Op::kOr},
    {"xor(a, b)", lower_pair, Op::kXor},
    {"where(c, a, b)", lower_where, Op::kWhere},

    {"sum(x, axis=-1, keepdims=false)", lower_reduction, Op::kSum},
    {"mean(x, axis=-1, keepdims=false)", lower_reduction, Op::kMean},
    {"max(x, axis=-1, keepdims=false)", lower_reduction, Op::kMax},
    {"min(x, axis=-1, keepdims=false)", lower_reduction, Op::kMin},
    {"prod(x, axis=-1, keepdims=false)", lower_reduction, Op::kProd},
    {"argmax(x, axis=-1, keepdims=false)", lower_reduction, Op::kArgmax},
    {"cumsum(x, axis)", lower_along_axis, Op::kCumsum},
    {"topk(x, k, axis=-1)", lower_topk, Op::kTopk},

    {"softmax(x, axis=-1)", lower_along_axis, Op::kSoftmax},
    {"log_softmax(x, axis=-1)", lower_along_axis, Op::kLogSoftmax},
    {"layernorm(x, weight=none, bias=none, eps=1e-5, axis=-1)", lower_norm, Op::kLayernorm},
    {"rmsnorm(x, weight=none, eps=1e-6, axis=-1)", lower_norm, Op::kRmsnorm},

    {"reshape(x, shape=)", lower_reshape, Op::kReshape},
    {"transpose(x, perm=none)", lower_transpose, Op::kTranspose},
    {"slice(x, axis=, start=, stop=, step=1)", lower_slice, Op::kSlice},
    {"split(x, parts=none, axis=-1, sizes=none)", lower_split, Op::kSlice},
    {"concat(a, .., axis=)", lower_concat, Op::kConcat},
    {"expand(x, shape=)", lower_expand, Op::kExpand},
    {"squeeze(x, axis=)", lower_squeeze, Op::kReshape},
    {"unsqueeze(x, axis=)", lower_unsqueeze, Op::kReshape},
    {"pad(x, before=, after=, value=0)", lower_pad, Op::kPad},
    {"gather(x, index, axis=)", lower_gather, Op::kGather},
    {"embedding(table, ids)", lower_embedding, Op::kGather},
    {"scatter(x, index, updates, axis=)", lower_scatter, Op::kScatter},

    {"iota(n, dtype=)", lower_iota, Op::kIota},
    {"full(shape=, value=, dtype=)", lower_full, Op::kConstant},

    {"heads(x, n)", lower_heads, Op::kTranspose},
    {"merge_heads(x)", lower_merge_heads, Op::kReshape},
    {"attention(q, k, v, mask=none, causal=false, scale=1/sqrt(d), window=0, softcap=0, alibi=none, "
     "offset=0, sinks=none)",
     lower_attention, Op::kAttention},
    {"rope(x, position, theta=10000.0, interleaved=false, rotary_dim=d, frequencies=none, scale=1.0)",
     lower_rope, Op::kRope},
    {"experts(x, router_weights, router_ids, gate, up, down)", lower_experts, Op::kGroupedMatmul},
    {"cache(k_cache, v_cache, k, v, position, pages=none)", lower_cache, Op::kCacheWrite},
};

Operation read_signature(const Row& row) {
  Operation result;
  result.signature = row.signature;
  result.op = row.op;
  result.lower = row.lower;
  auto [name, rest] = llvm::StringRef(row.signature).split('(');
  result.name = name.str();
  llvm::SmallVector<llvm::StringRef, 12> parts;
  rest.drop_back(1).split(parts, ", ");
  for (llvm::StringRef part : parts) {
    if (part == "..") {  // what stood before it are examples of the variadic ones
      result.least_variadic = static_cast<int>(result.parameters.size());
      result.parameters.clear();
      continue;
    }
    auto [key, fallback] = part.split('=');
    Parameter& parameter = result.parameters.emplace_back();
    parameter.name = key.str();
    parameter.required = fallback.empty();
    if (parameter.required) continue;
    auto text = std::make_shared<SourceFile>(SourceFile{"", fallback.str()});
    Expression value = parse_expression(SourceText(text));
    bool literal = value.kind != Expression::Kind::kName && value.kind != Expression::Kind::kBinary;
    value.location = {};                                 // an error about a default stands at the call
    if (literal) parameter.fallback = std::move(value);  // d and 1/sqrt(d) are known to the lowering alone
  }
  return result;
}

struct Table {
  std::vector<Operation> operations;
  llvm::StringMap<size_t> by_name;
  Table() {
    for (const Row& row : kTable) {
      operations.push_back(read_signature(row));
      by_name[operations.back().name] = operations.size() - 1;
    }
  }
};
const Table& table() {
  static const Table* result = new Table;
  return *result;
}

// Binds one call; reports where a list of errors is given.
struct Binder {
  const Expression& call;
  llvm::ArrayRef<Parameter> parameters;
  const std::string& signature;
  ErrorList* errors;
  BoundArguments result;

  void problem(const std::string& message, const Location& location, const std::string& hint) {
    result.complete = false;
    if (errors) errors->add(call.text + ": " + message, location, hint);
  }
  void keyword(size_t i);
  void positional(size_t i, size_t position);
};

void Binder::keyword(size_t i) {
  const Expression::Keyword& word = call.keywords[i];
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p].name != word.name) continue;
    if (result.parameters[p]) problem("'" + word.name + "' is given twice", word.location, signature);
    result.parameters[p] = &call.operands[i];
    return;
  }
  std::vector<llvm::StringRef> names;
  for (const Parameter& parameter : parameters) names.push_back(parameter.name);
  std::string near = nearest(word.name, names);
  problem("no argument is called '" + word.name + "'", word.location,
          near.empty() ? signature : "did you mean '" + near + "'?");
}

void Binder::positional(size_t i, size_t position) {
  if (position < parameters.size())
    result.parameters[position] = &call.operands[i];
  else
    problem("takes " + std::to_string(parameters.size()) +
                (parameters.size() == 1 ? " argument at most" : " arguments at most"),
            call.operands[i].location, signature);
}

}  // namespace

const Operation* find_operation(llvm::StringRef name) {
  auto found = table().by_name.find(name);
  return found == table().by_name.end() ? nullptr : &table().operations[found->second];
}

llvm::ArrayRef<Operation> operations() { return table().operations; }

BoundArguments bind_arguments(const Expression& call, llvm::ArrayRef<Parameter> parameters,
                              int least_variadic, const std::string& signature, size_t skip,
                              ErrorList* errors) {
  Binder binder{call, parameters, signature, errors, {}};
  binder.result.parameters.assign(parameters.size(), nullptr);
  binder.result.complete = true;
  bool keyword_seen = false;
  for (size_t i = skip; i < call.operands.size(); ++i) {
    if (!call.keywords[i].name.empty()) {
      keyword_seen = true;
      binder.keyword(i);
    } else if (keyword_seen) {
      binder.problem("a positional argument follows a keyword", call.operands[i].location, signature);
    } else if (least_variadic > 0) {
      binder.result.variadic.push_back(&call.operands[i]);
    } else {
      binder.positional(i, i - skip);
    }
  }
  if (static_cast<int>(binder.result.variadic.size()) < least_variadic)
    binder.problem("takes " + std::to_string(least_variadic) +
                       (least_variadic == 1 ? " operand or more" : " operands or more"),
                   call.location, signature);
  for (size_t p = 0; p < parameters.size(); ++p)
    if (parameters[p].required && !binder.result.parameters[p])
      binder.problem("'" + parameters[p].name + "' is missing", call.location, signature);
  return std::move(binder.result);
}

}  // namespace tenon
