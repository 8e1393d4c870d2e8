// warp.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable warp_opcodes() { return {}; }

}  // namespace tenon::emulator
