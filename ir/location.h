// location.h: where in a model's text something stands.
#pragma once
#include <memory>
#include <string>

namespace tenon {

/// A model file's name and text, shared by every location that points into it.
struct SourceFile {
  std::string name;  ///< as the user gave it
  std::string text;
};

/// A place in a model file: line and column count from 1 (columns in bytes); line 0 is "nowhere" (a graph
/// built in code).
struct Location {
  std::shared_ptr<const SourceFile> file;
  int line = 0;
  int column = 0;
  int length = 1;  ///< bytes to underline

  bool known() const { return file && line > 0; }
};

}  // namespace tenon
