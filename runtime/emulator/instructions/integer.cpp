// integer.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable integer_opcodes() { return {}; }

}  // namespace tenon::emulator
