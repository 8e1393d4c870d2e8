// diagnostics.cpp: the text of errors, and the nearest valid name.
#include "ir/diagnostics.h"

#include <algorithm>

#include "ir/printable.h"

namespace tenon {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
// U+0080 to U+009F, which some terminals take for commands: the second byte of C2 80 to C2 9F.
bool is_second_of_control(llvm::StringRef text, size_t i) {
  return i > 0 && text[i - 1] == '\xc2' && static_cast<unsigned char>(text[i]) >= 0x80 &&
         static_cast<unsigned char>(text[i]) < 0xa0;
}

std::string printable(llvm::StringRef text) {
  std::string result = text.str();
  for (size_t i = 0; i < result.size(); ++i) {
    if (is_second_of_control(text, i)) result[i - 1] = '?';
    if (is_second_of_control(text, i) || (is_control(text[i]) && text[i] != '\t' && text[i] != '\n'))
      result[i] = '?';
  }
  return result;
}

bool continues_code_point(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The numbered line. A file of many errors is asked for one line after the other: the walk goes on where the last one ended.
llvm::StringRef line_of(const std::shared_ptr<const SourceFile>& file, int line) {
  struct Walk {
    std::shared_ptr<const SourceFile> file;
    int line = 1;
    llvm::StringRef rest;
  };
  thread_local Walk last;
  if (last.file != file || last.line > line) last = {file, 1, file->text};
  for (; last.line < line; ++last.line) last.rest = last.rest.split('\n').second;
  return last.rest.split('\n').first.rtrim('\r');
}

// The line, cut to a window around the column when it is very long.
std::string caret_lines(const Location& at) {
  constexpr size_t kWindow = 160;
  llvm::StringRef line = line_of(at.file, at.line);
  size_t column = static_cast<size_t>(std::max(at.column, 1)) - 1;
  size_t start = column > kWindow / 2 && line.size() > kWindow ? column - kWindow / 2 : 0;
  while (start > 0 && continues_code_point(line[start])) --start;
  std::string shown = printable(line.substr(start, kWindow));
  std::string number = std::to_string(at.line);
  std::string text = "  " + number + " | " + shown + "\n  " + std::string(number.size(), ' ') + " | ";
  for (size_t i = start; i < column && i < line.size(); ++i)
    if (!continues_code_point(line[i])) text += line[i] == '\t' ? '\t' : ' ';
  size_t room = shown.size() > column - start ? shown.size() - (column - start) : 1;
  return text + "^" + std::string(std::min<size_t>(std::max(at.length, 1) - 1, room - 1), '~') + "\n";
}

}  // namespace

std::string Diagnostic::text() const {
  std::string result;
  if (location.known())
    result = printable(location.file->name) + ":" + std::to_string(location.line) + ":" +
             std::to_string(std::max(location.column, 1)) + ": ";
  result += "error: " + printable(message) + "\n";
  if (location.known()) result += caret_lines(location);
  if (!hint.empty()) result += "  hint: " + printable(hint) + "\n";
  return result;
}

Error::Error(std::string message, Location location, std::string hint, Status status)
    : Error(std::vector{Diagnostic{std::move(message), std::move(location), std::move(hint)}}, status) {}

Error::Error(std::vector<Diagnostic> diagnostics, Status status)
    : diagnostics_(std::move(diagnostics)), status_(status) {
  for (const Diagnostic& d : diagnostics_) text_ += d.text();
}

bool is_printable(llvm::StringRef text) {
  for (size_t i = 0; i < text.size(); ++i)
    if (is_control(text[i]) || is_second_of_control(text, i)) return false;
  return true;
}

std::string nearest(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates) {
  unsigned best = std::max<unsigned>(1, name.size() / 3) + 1;
  llvm::StringRef winner;
  for (llvm::StringRef candidate : candidates)
    if (unsigned distance = name.edit_distance(candidate, true, best); distance < best)
      best = distance, winner = candidate;
  return winner.str();
}

}  // namespace tenon
