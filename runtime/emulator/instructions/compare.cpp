// compare.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable compare_opcodes() { return {}; }

}  // namespace tenon::emulator
