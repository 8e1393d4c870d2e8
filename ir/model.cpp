// model.cpp: reading a model file, binding its dims, building its graph.
#include "ir/model.h"

#include <algorithm>

#include "ir/check_names.h"
#include "ir/lower.h"
#include "ir/model_reader.h"
#include "llvm/Support/MemoryBuffer.h"

namespace tenon {

struct Model::Impl {
  Declarations declarations;
};

namespace {

constexpr uint64_t kMaxFileBytes = 4 << 20;
constexpr int64_t kDefaultExtent = 512;

int64_t default_extent(const ModelDim& dim) {
  return std::max(dim.lower, std::min(dim.upper, kDefaultExtent));
}

// Binds the dims that the shapes of inputs imply.
class Binder {
 public:
  Binder(const Declarations& declarations, DimBinding& binding)
      : declarations_(declarations), binding_(binding) {}

  void input(const TensorDeclaration& input, const Extents& extents) {
    if (extents.size() != input.shape.size())
      throw Error("input '" + input.name + "' has rank " + std::to_string(extents.size()) +
                      ", the model says " + std::to_string(input.shape.size()),
                  input.location);
    for (size_t i = 0; i < extents.size(); ++i) extent(input.shape[i], extents[i], input);
  }
  void check(const TensorDeclaration& input, const Extents& extents) const {
    for (size_t i = 0; i < extents.size(); ++i) {
      int64_t expected = evaluate_shape(input.shape[i], dims_of(declarations_, binding_)).extent();
      if (expected != extents[i])
        throw Error("input '" + input.name + "' has " + std::to_string(extents[i]) + " along axis " +
                        std::to_string(i) + ", the model says " + std::to_string(expected),
                    input.shape[i].location, who_bound(input.shape[i]));
    }
  }

 private:
  void extent(const Expression& expression, int64_t value, const TensorDeclaration& input) {
    std::vector<std::string> unbound;
    collect(expression, unbound);
    if (unbound.size() != 1) return;  // nothing to learn, or too much to guess: check() judges
    const ModelDim& dim = *declarations_.find_dim(unbound[0]);
    // Shapes are affine in each dim almost always: two points give the line; check() catches the rest.
    int64_t at_0 = at(expression, dim, 0), slope = at(expression, dim, 1) - at_0;
    if (slope == 0 || (value - at_0) % slope != 0) return;
    int64_t found = (value - at_0) / slope;
    if (found < dim.lower || found > dim.upper)
      throw Error("input '" + input.name + "' makes dim " + dim.name + " " + std::to_string(found) +
                      ", outside " + std::to_string(dim.lower) + ".." + std::to_string(dim.upper),
                  input.location);
    binding_[dim.name] = found;
    bound_by_[dim.name] = input.name;
  }

  /// "the input 'ids' makes T 3": of the dims of a shape expression, those that inputs bound.
  std::string who_bound(const Expression& expression) const {
    std::string words;
    if (auto found = bound_by_.find(expression.text);
        expression.kind == Expression::Kind::kName && found != bound_by_.end())
      words = "the input '" + found->second + "' makes " + found->first + " " +
              std::to_string(binding_.at(found->first));
    for (const Expression& operand : expression.operands) {
      const std::string more = who_bound(operand);
      words += (words.empty() || more.empty() ? "" : ", ") + more;
    }
    return words;
  }

  int64_t at(const Expression& expression, const ModelDim& dim, int64_t value) const {
    DimBinding trial = binding_;
    trial[dim.name] = value;
    return evaluate_shape(expression, dims_of(declarations_, trial)).extent();
  }

  void collect(const Expression& expression, std::vector<std::string>& unbound) const {
    if (expression.kind == Expression::Kind::kName && !binding_.count(expression.text) &&
        !llvm::is_contained(unbound, expression.text))
      unbound.push_back(expression.text);
    for (const Expression& operand : expression.operands) collect(operand, unbound);
  }

  const Declarations& declarations_;
  DimBinding& binding_;
  std::map<std::string, std::string> bound_by_;  // dim to input
};

DimBinding fixed_dims(const Declarations& declarations) {
  DimBinding result;
  for (const ModelDim& dim : declarations.dims)
    if (dim.fixed()) result[dim.name] = dim.lower;
  return result;
}

}  // namespace

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

const std::string& Model::name() const { return impl_->declarations.name; }
bool Model::tf32() const { return impl_->declarations.tf32; }
llvm::ArrayRef<ModelDim> Model::dims() const { return impl_->declarations.dims; }
llvm::ArrayRef<PolicyEntry> Model::policy() const { return impl_->declarations.policy; }

Model Model::read(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, true, false);
  if (!buffer) throw Error("cannot read '" + path.str() + "': " + buffer.getError().message());
  if ((*buffer)->getBufferSize() > kMaxFileBytes)
    throw Error("'" + path.str() + "' is larger than 4 MB, which no model needs");
  return parse(std::make_shared<SourceFile>(SourceFile{path.str(), (*buffer)->getBuffer().str()}));
}

Model Model::parse(std::shared_ptr<const SourceFile> source) {
  ErrorList errors;
  auto impl = std::make_unique<Impl>();
  impl->declarations = read_declarations(std::move(source), errors);
  Declarations& declarations = impl->declarations;
  bool bounded = check_names(declarations, errors);
  if (!errors.empty()) {
    // A file's errors of types and shapes are wanted too; they need extents, and any will do.
    DimBinding binding;
    for (const ModelDim& dim : declarations.dims) binding[dim.name] = default_extent(dim);
    if (bounded) lower(declarations, binding, errors);
    errors.raise();
  }
  return Model(std::move(impl));
}

DimBinding Model::bind(const DimBinding& given, const std::map<std::string, Extents>& inputs,
                       std::vector<std::string>* defaulted) const {
  const Declarations& declarations = impl_->declarations;
  DimBinding binding = fixed_dims(declarations);
  std::vector<llvm::StringRef> names;
  for (const ModelDim& dim : declarations.dims) names.push_back(dim.name);
  for (const auto& [name, value] : given) {
    const ModelDim* dim = declarations.find_dim(name);
    if (!dim) throw Error("the model has no dim '" + name + "'", {}, did_you_mean(name, names));
    if (value < dim->lower || value > dim->upper)
      throw Error("dim " + name + " = " + std::to_string(value) + " is outside " +
                      (dim->fixed() ? "its fixed value " : std::to_string(dim->lower) + "..") +
                      std::to_string(dim->upper),
                  dim->location);
    binding[name] = value;
  }
  names.clear();
  for (const TensorDeclaration& input : declarations.inputs) names.push_back(input.name);
  for (const auto& [name, extents] : inputs)
    if (!llvm::is_contained(names, name))
      throw Error("the model has no input '" + name + "'", {}, did_you_mean(name, names));
  Binder binder(declarations, binding);
  for (const TensorDeclaration& input : declarations.inputs)
    if (auto found = inputs.find(input.name); found != inputs.end()) binder.input(input, found->second);
  for (const ModelDim& dim : declarations.dims) {
    auto [slot, is_new] = binding.try_emplace(dim.name, default_extent(dim));
    if (is_new && defaulted) defaulted->push_back(dim.name);
  }
  for (const TensorDeclaration& input : declarations.inputs)
    if (auto found = inputs.find(input.name); found != inputs.end()) binder.check(input, found->second);
  return binding;
}

std::unique_ptr<Graph> Model::build(const DimBinding& dims) const {
  for (const ModelDim& dim : impl_->declarations.dims)
    if (!dims.count(dim.name)) throw Error("dim '" + dim.name + "' has no value", dim.location);
  ErrorList errors;
  auto graph = lower(impl_->declarations, dims, errors);
  errors.raise();
  return graph;
}

}  // namespace tenon
