// failure.h: errors that point at a line of PTX.
#pragma once
#include <string>

#include "runtime/emulator/ptx/syntax.h"

namespace tenon::emulator {

/// Throws Error at a line of the module's text, underlined.
[[noreturn]] void fail_at_line(const ptx::Module& module, int line, const std::string& message,
                               const std::string& hint = "");

}  // namespace tenon::emulator
