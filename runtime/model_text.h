// A model written by calls instead of a file: declarations and equations become the text of a model.
#pragma once
#include <string>
#include <vector>

namespace tenon {

/// Collects a model and writes it as TOML. Nothing is checked here: Model::parse reads the text and tells
/// every error with its line.
class ModelText {
 public:
  ModelText(std::string name, std::string dtype) : name_(std::move(name)), dtype_(std::move(dtype)) {}

  void dim(const std::string& name, int64_t lower, int64_t upper);
  /// `section` is "inputs", "weights" or "state"; `shape` lists extents ("B, T, 4*D"), `dtype` may be empty.
  void declare(const std::string& section, const std::string& name, const std::string& shape,
               const std::string& dtype);
  void equation(const std::string& line) { equations_.push_back(line); }
  void output(const std::string& name) { outputs_.push_back(name); }

  std::string toml() const;

 private:
  struct Row {
    std::string section, text;
  };
  std::string name_, dtype_;
  std::vector<Row> rows_;
  std::vector<std::string> equations_, outputs_;
};

}  // namespace tenon
