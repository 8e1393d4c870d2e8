// Tenon for C++: one header over tenon_c.h. Handles own themselves, errors are exceptions.
#pragma once
#include "tenon_c.h"

#include <cstdint>
#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tenon {

class Error : public std::runtime_error {
 public:
  Error(tenon_status status, const char* text) : std::runtime_error(text), status_(status) {}
  tenon_status status() const { return status_; }

 private:
  tenon_status status_;
};

inline void check(tenon_status status) {
  if (status != TENON_DONE) throw Error(status, tenon_last_error());
}

class Model;

/// A value of a model in code. Arithmetic on values writes equations into their model.
class Value {
 public:
  const std::string& name() const { return name_; }

 private:
  friend class Model;
  Value(Model* model, std::string name) : model_(model), name_(std::move(name)) {}
  friend Value binary(const Value&, const char*, const Value&);
  Model* model_;
  std::string name_;
};

class Model {
 public:
  static Model read(const std::string& path) {
    Model model;
    check(tenon_model_read(path.c_str(), &model.handle_));
    return model;
  }
  static Model parse(const std::string& text, const std::string& name) {
    Model model;
    check(tenon_model_parse(text.c_str(), name.c_str(), &model.handle_));
    return model;
  }
  /// Begins a model in code. Values refer to it: it must not move while they are in use.
  explicit Model(const std::string& name, const std::string& dtype) {
    check(tenon_model_create(name.c_str(), dtype.c_str(), &handle_));
  }
  Model(Model&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)), count_(other.count_) {}
  Model& operator=(Model&&) = delete;
  ~Model() { tenon_model_free(handle_); }

  void dim(const std::string& name, int64_t lower, int64_t upper) {
    check(tenon_model_dim(handle_, name.c_str(), lower, upper));
  }
  Value input(const std::string& name, const std::string& shape, const std::string& dtype = "") {
    check(tenon_model_input(handle_, name.c_str(), shape.c_str(), dtype.empty() ? nullptr : dtype.c_str()));
    return {this, name};
  }
  Value weight(const std::string& name, const std::string& shape, const std::string& dtype = "") {
    check(tenon_model_weight(handle_, name.c_str(), shape.c_str(), dtype.empty() ? nullptr : dtype.c_str()));
    return {this, name};
  }
  Value state(const std::string& name, const std::string& shape, const std::string& dtype = "") {
    check(tenon_model_state(handle_, name.c_str(), shape.c_str(), dtype.empty() ? nullptr : dtype.c_str()));
    return {this, name};
  }
  /// The value of any expression of the language: let("h", "gelu(linear(x, w1, b1))").
  Value let(const std::string& name, const std::string& expression) {
    check(tenon_model_equation(handle_, (name + " = " + expression).c_str()));
    return {this, name};
  }
  /// call("gelu", {x}, "approximate=\"tanh\"")
  Value call(const std::string& operation, std::initializer_list<Value> operands,
             const std::string& keywords = "") {
    std::string list;
    for (const Value& operand : operands) list += (list.empty() ? "" : ", ") + operand.name();
    if (!keywords.empty()) list += (list.empty() ? "" : ", ") + keywords;
    return let(fresh_name(), operation + "(" + list + ")");
  }
  void output(const std::string& name, const Value& value) {
    if (name != value.name()) let(name, value.name());
    check(tenon_model_output(handle_, name.c_str()));
  }
  /// Dense host memory of the declared type, not copied.
  void give_weight(const std::string& name, const void* data, size_t bytes) {
    check(tenon_model_give_weight(handle_, name.c_str(), data, bytes));
  }
  const tenon_model* handle() const { return handle_; }

 private:
  friend Value binary(const Value&, const char*, const Value&);
  Model() = default;
  std::string fresh_name() { return "v" + std::to_string(count_++); }
  tenon_model* handle_ = nullptr;
  int count_ = 0;
};

inline Value binary(const Value& a, const char* symbol, const Value& b) {
  return a.model_->let(a.model_->fresh_name(), a.name() + " " + symbol + " " + b.name());
}
inline Value operator+(const Value& a, const Value& b) { return binary(a, "+", b); }
inline Value operator-(const Value& a, const Value& b) { return binary(a, "-", b); }
inline Value operator*(const Value& a, const Value& b) { return binary(a, "*", b); }
inline Value operator/(const Value& a, const Value& b) { return binary(a, "/", b); }
/// NumPy's matrix product.
inline Value matmul(const Value& a, const Value& b) { return binary(a, "@", b); }

using Dims = std::map<std::string, int64_t>;

struct Options {
  std::string device = "auto";
  std::string policy = "auto";
  std::vector<std::string> weight_files;
  Dims dims;
};

struct Tensor {
  std::string name, dtype;
  std::vector<int64_t> extents;
  size_t bytes;
};

class Program {
 public:
  explicit Program(const Model& model, const Options& options = {}) {
    std::vector<const char*> files;
    for (const std::string& file : options.weight_files) files.push_back(file.c_str());
    const std::vector<tenon_dim> dims = list(options.dims);
    const tenon_options plain = {
        options.device.c_str(), options.policy.c_str(), files.data(), files.size(), dims.data(), dims.size()};
    check(tenon_compile(model.handle(), &plain, &handle_));
  }
  Program(Program&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Program& operator=(Program&&) = delete;
  ~Program() { tenon_program_free(handle_); }

  void rebind_dims(const Dims& dims) { check(tenon_rebind_dims(handle_, list(dims).data(), dims.size())); }
  std::string device() const { return tenon_program_device(handle_); }
  std::vector<Tensor> inputs() const { return tensors(tenon_input_count(handle_), tenon_input); }
  std::vector<Tensor> outputs() const { return tensors(tenon_output_count(handle_), tenon_output); }
  std::vector<Tensor> states() const { return tensors(tenon_state_count(handle_), tenon_state); }

  void bind_input(const std::string& name, const void* data) {
    check(tenon_bind_input(handle_, name.c_str(), data));
  }
  void bind_output(const std::string& name, void* data) {
    check(tenon_bind_output(handle_, name.c_str(), data));
  }
  void prepare() { check(tenon_prepare(handle_)); }
  void enqueue(void* stream) { check(tenon_enqueue(handle_, stream)); }
  void run() { check(tenon_run(handle_)); }
  void read_state(const std::string& name, void* data, size_t bytes) const {
    check(tenon_read_state(handle_, name.c_str(), data, bytes));
  }
  void write_state(const std::string& name, const void* data, size_t bytes) {
    check(tenon_write_state(handle_, name.c_str(), data, bytes));
  }

 private:
  static std::vector<tenon_dim> list(const Dims& dims) {
    std::vector<tenon_dim> result;
    for (const auto& [name, value] : dims) result.push_back({name.c_str(), value});
    return result;
  }
  template <class Query>
  std::vector<Tensor> tensors(size_t count, Query query) const {
    std::vector<Tensor> result;
    for (size_t i = 0; i < count; ++i) {
      tenon_tensor tensor;
      check(query(handle_, i, &tensor));
      result.push_back(
          {tensor.name, tensor.dtype, {tensor.extents, tensor.extents + tensor.rank}, tensor.bytes});
    }
    return result;
  }
  tenon_program* handle_ = nullptr;
};

}  // namespace tenon
