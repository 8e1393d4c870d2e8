// float.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable float_opcodes() { return {}; }

}  // namespace tenon::emulator
