// kernel_check.h: emits the kernel of a region, runs it on the CPU and compares its values with the f64
// evaluator.
#pragma once
#include <functional>
#include <string>

#include "codegen/family.h"
#include "ir/builder.h"
#include "ir/evaluate.h"

namespace tenon {

/// The inputs of a kernel: of each parameter, by name.
using Draw = std::function<HostTensor(llvm::StringRef name, const Type& type)>;

/// Normal floats, integers in [-3, 9), fair bools; the same for the same name and type. Values are those that
/// the type holds.
HostTensor draw_normal(llvm::StringRef name, const Type& type);

/// A region over all computing nodes of `graph`, whose inputs and weights become parameters.
Region region_of(Graph& graph, Pattern pattern);

/// Values of the outputs and of the packed expressions of a body, in this order; `inputs` by parameter.
std::vector<HostTensor> evaluate_with_packed(const Graph& body, llvm::ArrayRef<const Value*> packed,
                                             const std::vector<HostTensor>& inputs);

struct KernelCheck {
  const char* target = "h200";
  Draw draw = draw_normal;
  bool all_candidates = false;  ///< else the last legal one alone
  const char* config = "";      ///< only those whose config begins so
  double tolerance = 0;  ///< relative to the larger of 1 and the value; 0: what the output's type rounds
                         ///< away, and a few f32 roundings
};

/// Emits every legal candidate of `region`, runs it in several orders of threads and CHECKs each output
/// against the evaluator: values, NaN and infinities. Returns the source of the last candidate. CHECKs that
/// the family accepts the region.
std::string check_kernel(const EmittingFamily& family, const Region& region, const KernelCheck& check = {});

/// CHECKs that tests/golden/<name>.cu holds `text`; writes it where the environment has TENON_REGENERATE=1.
void check_golden(const std::string& name, const std::string& text);

}  // namespace tenon
