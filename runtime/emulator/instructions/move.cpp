// move.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable move_opcodes() { return {}; }

}  // namespace tenon::emulator
