// arithmetic.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable arithmetic_opcodes() { return {}; }

}  // namespace tenon::emulator
