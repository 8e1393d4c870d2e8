// async.cpp: see tables.h. Which file decodes which `cp`.
#include "runtime/emulator/instructions/copies.h"
#include "runtime/emulator/instructions/mbarrier.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

bool has(const Decoder& d, llvm::StringRef modifier) {
  return llvm::is_contained(d.instruction().modifiers, modifier);
}

void decode_cp(Decoder& d) {
  if (!has(d, "bulk")) return decode_cp_async(d);
  if (has(d, "tensor")) return decode_tensor_copy(d);
  if (has(d, "commit_group") || has(d, "wait_group")) return decode_bulk_group(d);
  decode_bulk_copy(d);
}

}  // namespace

OpcodeTable async_opcodes() {
  static constexpr OpcodeEntry kTable[] = {{"cp", decode_cp}, {"mbarrier", decode_mbarrier}};
  return kTable;
}

}  // namespace tenon::emulator
