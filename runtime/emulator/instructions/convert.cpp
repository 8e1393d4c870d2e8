// convert.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable convert_opcodes() { return {}; }

}  // namespace tenon::emulator
