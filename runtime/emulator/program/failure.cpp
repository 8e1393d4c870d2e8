// failure.cpp: see failure.h.
#include "runtime/emulator/program/failure.h"

#include "ir/diagnostics.h"

namespace tenon::emulator {

void fail_at_line(const ptx::Module& module, int line, const std::string& message, const std::string& hint) {
  Location location{module.source, line, 1, 1};
  if (line > 0 && line <= static_cast<int>(module.lines.size())) {
    const llvm::StringRef text = module.lines[line - 1];
    location.column = static_cast<int>(text.size() - text.ltrim().size()) + 1;
    location.length = static_cast<int>(std::max<size_t>(text.trim().size(), 1));
  }
  throw Error(message, location, hint);
}

}  // namespace tenon::emulator
