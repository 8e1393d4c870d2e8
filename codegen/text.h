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
  /// A text without a file name is a part, for append().
  explicit Text(std::string file_name, int indent = 0) : file_name_(std::move(file_name)), indent_(indent) {}

  void line(const llvm::Twine& text);
  void blank() { end_line(); }
  void open(const llvm::Twine& head);        ///< "head {" and one level deeper
  void close(const llvm::Twine& tail = "");  ///< one level up, "}" and `tail`
  /// The next line comes from this place of the model: a #line with the file's label before it,
  /// and one back to this file after it. Nowhere: no directive.
  void from(const Location& location);

  /// Takes over the lines of a part.
  void append(const Text& part);

  const std::string& str() const { return text_; }

 private:
  void end_line();
  void own();

  std::string file_name_, text_;
  int indent_ = 0;
  int lines_ = 0;
  enum { kOwn, kNextIsForeign, kForeign } place_ = kOwn;  // where the compiler thinks it is
};

/// The head of a kernel: its name, the region in IR notation with the model's lines, family, target and
/// config.
void print_head(Text& text, llvm::StringRef name, const Region& region, llvm::StringRef family,
                const Target& target, llvm::StringRef config);

/// The base name of a model's file for #line and for comments. PTX names files too and knows no escapes: quotes, backslashes
/// and control characters are _.
std::string file_label(llvm::StringRef path);

}  // namespace tenon
