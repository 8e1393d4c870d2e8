// async.cpp: see tables.h.
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {

OpcodeTable async_opcodes() { return {}; }

}  // namespace tenon::emulator
