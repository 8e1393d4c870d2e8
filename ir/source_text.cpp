// source_text.cpp: line starts, and TOML strings decoded with the place of each byte.
#include "ir/source_text.h"

#include <algorithm>

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"

namespace tenon {
namespace {

// The UTF-8 bytes of an escape's character; `digits` are those of \u and \U.
std::string unescape(char letter, llvm::StringRef digits) {
  switch (letter) {
    case 'b': return "\b";
    case 't': return "\t";
    case 'n': return "\n";
    case 'f': return "\f";
    case 'r': return "\r";
    case 'e': return "\x1b";
    default: break;
  }
  unsigned code = 0;
  if (digits.empty() || digits.getAsInteger(16, code)) return std::string(1, letter);
  char buffer[UNI_MAX_UTF8_BYTES_PER_CODE_POINT];
  char* end = buffer;
  llvm::ConvertCodePointToUTF8(code, end);
  return std::string(buffer, end);
}

}  // namespace

LineTable::LineTable(std::shared_ptr<const SourceFile> file) : file_(std::move(file)) {
  starts_.push_back(0);
  for (size_t i = 0; i < file_->text.size(); ++i)
    if (file_->text[i] == '\n') starts_.push_back(static_cast<uint32_t>(i + 1));
}

Location LineTable::at(size_t begin, size_t end) const {
  size_t line = std::upper_bound(starts_.begin(), starts_.end(), begin) - starts_.begin();
  return {file_, static_cast<int>(line), static_cast<int>(begin - starts_[line - 1] + 1),
          static_cast<int>(std::max<size_t>(end > begin ? end - begin : 1, 1))};
}

llvm::StringRef LineTable::text(size_t line) const {
  size_t end = line < starts_.size() ? starts_[line] : file_->text.size();
  return llvm::StringRef(file_->text).slice(start(line), end);
}

SourceText::SourceText(std::shared_ptr<const SourceFile> file)
    : lines_(std::make_shared<LineTable>(std::move(file))) {
  append(lines_->file().text, 0, 1);
  offsets_.push_back(static_cast<uint32_t>(text_.size()));
}

SourceText::SourceText(std::shared_ptr<const LineTable> lines, size_t quote) : lines_(std::move(lines)) {
  llvm::StringRef raw = lines_->file().text;
  char mark = raw[quote];
  size_t marks = raw.substr(quote).startswith(std::string(3, mark)) ? 3 : 1;
  std::string close(marks, mark);
  size_t i = quote + marks;
  if (marks == 3 && raw.substr(i).startswith("\r\n"))
    i += 2;
  else if (marks == 3 && raw.substr(i).startswith("\n"))
    ++i;
  // Three quotes end the string only where no fourth follows: one or two may stand just before the end.
  auto ended = [&] {
    return raw.substr(i).startswith(close) &&
           !(marks == 3 && raw.substr(i + 3).startswith(close.substr(0, 1)));
  };
  while (i < raw.size() && !ended()) {
    if (raw[i] != '\\' || mark == '\'') {
      append(raw.substr(i, 1), i, 1);
      ++i;
      continue;
    }
    char letter = raw[i + 1];
    if (llvm::isSpace(letter)) {  // a backslash at a line's end swallows the white space that follows
      for (++i; i < raw.size() && llvm::isSpace(raw[i]);) ++i;
      continue;
    }
    size_t digits = letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    append(unescape(letter, raw.substr(i + 2, digits)), i, 0);
    i += 2 + digits;
  }
  offsets_.push_back(static_cast<uint32_t>(i));
}

void SourceText::append(llvm::StringRef bytes, size_t offset, size_t step) {
  text_ += bytes;
  for (size_t i = 0; i < bytes.size(); ++i) offsets_.push_back(static_cast<uint32_t>(offset + i * step));
}

Location SourceText::at(size_t begin, size_t end) const { return lines_->at(offsets_[begin], offsets_[end]); }

SourceText SourceText::slice(size_t begin, size_t end) const {
  SourceText part;
  part.lines_ = lines_;
  part.text_ = text_.substr(begin, end - begin);
  part.offsets_.assign(offsets_.begin() + begin, offsets_.begin() + end + 1);
  return part;
}

}  // namespace tenon
