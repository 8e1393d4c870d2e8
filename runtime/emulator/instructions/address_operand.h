// address_operand.h: [base + offset] of an instruction, as its decoder finds it and its handler reads it.
#pragma once
#include <optional>

#include "runtime/emulator/machine/access.h"
#include "runtime/emulator/program/decoder.h"
#include "runtime/emulator/program/program.h"

namespace tenon::emulator {

/// Two words of an op, from `word` on: the base's slot and the offset.
struct AddressOperand {
  int8_t word = 0;
  bool wide = false;     ///< the base has 64 bits
  bool generic = false;  ///< the address is generic, not of the space that the instruction means

  /// Appends the operand's words; `word` is how many the decoder appended before.
  static AddressOperand decode(Decoder& decoder, const ptx::Operand& operand, ptx::Space space, int word) {
    AddressOperand address;
    address.word = static_cast<int8_t>(word);
    address.generic = space == ptx::Space::kGeneric;
    decoder.address(operand, space, &address.wide);
    return address;
  }

  uint64_t at(const Warp& warp, const Op& op, int lane) const {
    const int64_t offset = op.words[word + 1];
    return wide ? warp.lanes<uint64_t>(op.words[word])[lane] + static_cast<uint64_t>(offset)
                : static_cast<uint32_t>(warp.lanes<uint32_t>(op.words[word])[lane] + offset);
  }
  LaneMask poison(const Warp& warp, const Op& op) const { return warp.poison(op.words[word]); }

  /// The 32-bit shared address; nothing, with a finding, for a generic address outside the shared window.
  std::optional<uint32_t> shared(const Warp& warp, const Op& op, int lane) const {
    const uint64_t address = at(warp, op, lane);
    if (!generic) return static_cast<uint32_t>(address);
    if (address - kSharedWindow < kWindowBytes) return static_cast<uint32_t>(address - kSharedWindow);
    report(warp, op, lane, FindingKind::kOutOfBounds, "a generic address that is not one of shared memory");
    return std::nullopt;
  }
};

}  // namespace tenon::emulator
