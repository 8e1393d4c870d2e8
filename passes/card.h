// card.h: what a GPU is: counts, sizes and rates, from its datasheet or measured, and the targets that name
// one.
#pragma once
#include <string>
#include <vector>

#include "ir/dtype.h"

namespace tenon {

/// Where a number comes from. JSON prints the name.
enum class Basis { kDatasheet, kCalibrated, kMeasured };
llvm::StringRef name_of(Basis basis);

/// One GPU model. Rates are per second and for the whole card: TFLOP/s of dense products with f32
/// accumulation, GB/s.
struct Card {
  std::string name;    ///< "h200"
  std::string title;   ///< "NVIDIA H200 SXM 141 GB"
  std::string arch;    ///< what NVRTC compiles for: "sm_90a"
  std::string source;  ///< where the figures come from
  Basis basis = Basis::kDatasheet;

  int sms = 0;
  double clock_ghz = 0;                ///< boost
  int64_t shared_bytes_per_block = 0;  ///< the opt-in limit of dynamic shared memory
  int64_t shared_bytes_per_sm = 0;
  int registers_per_sm = 65536;
  int threads_per_sm = 2048;
  int64_t l2_bytes = 0;
  double dram_gb_s = 0;
  double l2_gb_s = 0;
  double tensor_16_tflops = 0;  ///< bf16 and f16
  double tensor_tf32_tflops = 0;
  double f32_tflops = 0;  ///< FFMA
  double sfu_gops = 0;    ///< exp2, tanh, rsqrt: 10^9 results per second
  double launch_us = 0;   ///< a kernel boundary inside a captured graph: launch, ramp, tail, dependency
  double library_efficiency = 0;  ///< of the tensor rate that cuBLASLt reaches on large products
  double generated_efficiency =
      0;                       ///< of the tensor rate that this generation's kernels are expected to reach
  double dram_efficiency = 0;  ///< of dram_gb_s that a good streaming kernel reaches
  double uncertainty =
      0;  ///< log-standard error of a predicted product time; the band that decides for the library

  double product_tflops(DType type, bool tf32) const;  ///< 16-bit: tensor cores; f32: FFMA unless tf32
};

/// The embedded cards, by name. Throws Error for a card file that cannot be read (a defect of the build).
const std::vector<Card>& cards();
/// Reads a card's TOML text; throws Error with place for a missing or unknown key or a wrong type.
Card parse_card(llvm::StringRef text, llvm::StringRef file_name);

/// `name` is a card ("h200") or an architecture ("sm_90a", which stands for its reference card). Throws Error
/// with the nearest name and the list.
const Card& find_target(llvm::StringRef name);
/// True when `name` is an architecture rather than a card.
bool is_architecture(llvm::StringRef name);

}  // namespace tenon
