// source_text.h: from the bytes of a model file, and of the strings that stand in it, to lines and columns.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ir/location.h"
#include "llvm/ADT/StringRef.h"

namespace tenon {

/// Where the lines of a file begin. Offsets count bytes from 0.
class LineTable {
 public:
  explicit LineTable(std::shared_ptr<const SourceFile> file);
  const SourceFile& file() const { return *file_; }
  Location at(size_t begin, size_t end) const;
  size_t line_count() const { return starts_.size(); }
  /// The byte where `line`, counted from 1, begins, and its text with the line's end.
  size_t start(size_t line) const { return starts_[line - 1]; }
  llvm::StringRef text(size_t line) const;

 private:
  std::shared_ptr<const SourceFile> file_;
  std::vector<uint32_t> starts_;
};

/// The value of a TOML string, or a part of it, whose every byte knows its place in the file.
class SourceText {
 public:
  /// A plain text of its own: all of a file.
  explicit SourceText(std::shared_ptr<const SourceFile> file);
  /// The TOML string whose opening quote stands at byte `quote` of a file that TOML accepts.
  SourceText(std::shared_ptr<const LineTable> lines, size_t quote);

  llvm::StringRef text() const { return text_; }
  /// The place of bytes [begin, end) of the text; `begin` may be its end.
  Location at(size_t begin, size_t end) const;
  SourceText slice(size_t begin, size_t end) const;

 private:
  SourceText() = default;
  void append(llvm::StringRef bytes, size_t offset, size_t step);

  std::shared_ptr<const LineTable> lines_;
  std::string text_;
  std::vector<uint32_t> offsets_;  // of each byte of the text, and of its end
};

}  // namespace tenon
