// The card of the GPU at hand: its reference card's rates with its own counts and sizes.
#pragma once
#include "passes/card.h"
#include "runtime/cuda/machine.h"

namespace tenon::cuda {

/// Starts from the card of the table that bears the GPU's name, else from the reference card of its
/// architecture, else from that of the newest elder one, and takes over what the driver says: architecture,
/// SMs, shared memory, L2. Throws Error for a GPU before sm_80.
Card card_at_hand(const Gpu& gpu);

}  // namespace tenon::cuda
