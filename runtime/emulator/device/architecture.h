// architecture.h: the architectures that the emulator stands in for.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "passes/card.h"

namespace tenon::emulator {

struct Architecture {
  llvm::StringLiteral name;  ///< what NVRTC compiles for: "sm_90a"
  int major, minor;          ///< compute capability
  /// The reference card: its memory, shared memory and rates are the emulated device's.
  const Card& card() const { return find_target(name); }
};

/// All of them, oldest first.
llvm::ArrayRef<Architecture> architectures();
/// By name; "" is the newest. Throws Error that lists them.
const Architecture& find_architecture(llvm::StringRef name);

}  // namespace tenon::emulator
