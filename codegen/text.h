// text.h: the text of a generated file: indented lines, #line directives, the comment on top.
#pragma once
#include <string>

#include "ir/location.h"
#include "llvm/ADT/Twine.h"
#include "passes/family.h"

namespace tenon {

/// Collects lines. Decides nothing.
class Text {
 public:
  explicit Text(std::string file_name) : file_name_(std::move(file_name)) {}

  void line(const llvm::Twine& text);
  void blank() { end_line(); }
  void open(const llvm::Twine& head);        ///< "head {" and one level deeper
  void close(const llvm::Twine& tail = "");  ///< one level up, "}" and `tail`
  /// The lines that follow come from this place of the model: a #line with the file's base name, escaped.
  /// Nowhere: no directive.
  void from(const Location& location);
  /// The lines that follow are this file's own again.
  void own();

  const std::string& str() const { return text_; }

 private:
  void end_line();

  std::string file_name_, text_;
  int indent_ = 0;
  int lines_ = 0;
  bool foreign_ = false;  // below a #line of the model
  std::string place_;     // the last directive
};

/// The head of a kernel: its name, the region in IR notation with the model's lines, family, target and
/// config.
void print_head(Text& text, llvm::StringRef name, const Region& region, llvm::StringRef family,
                const Target& target, llvm::StringRef config);

/// A string as the inside of a C string literal.
std::string escaped(llvm::StringRef text);

}  // namespace tenon
