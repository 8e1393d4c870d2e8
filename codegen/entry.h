// entry.h: the head of a kernel's entry, and how it is launched beside its neighbours.
#pragma once
#include "codegen/plan.h"
#include "codegen/text.h"

namespace tenon {

/// True where a kernel may be put on the card while the one before it still runs (programmatic dependent launch).
bool overlaps_launches(const Target& target);

/// True where that pays: the kernel loads weights before it waits, or is so short that its boundary is most of it. On an
/// H200 one token of gpt2 gains 13 % from it; 512 tokens, whose kernels take 10 to 30 us, lost 8 % while all overlapped.
bool gains_from_overlap(const EmittedKernel& kernel, const Estimate& estimate, const Target& target);

/// Opens `extern "C" __global__ __launch_bounds__(bounds) void name(signature)`. Where launches overlap, with `let_in` the
/// next kernel is let in at once and, with `wait`, the kernels before are waited for: before anything is read or written.
/// A body that reads weights first calls ptx::wait_for_predecessors() itself, in every thread.
void open_entry(Text& text, const Target& target, const llvm::Twine& bounds, llvm::StringRef name,
                const std::string& signature, bool wait = true, bool let_in = true);

}  // namespace tenon
