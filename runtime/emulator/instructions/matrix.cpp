// matrix.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable matrix_opcodes() { return {}; }

}  // namespace tenon::emulator
