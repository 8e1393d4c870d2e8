// plan.h: the plan: kernels, the launches that use them, buffers, what is packed at load. Plain structs that
// runtime executes and that print themselves as plan.json.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "passes/select.h"

namespace tenon {

/// What a kernel's parameter receives. `index` counts in the region's body.
struct KernelArgument {
  enum Kind {
    kOperand,    ///< pointer to the value of parameter `index`
    kPacked,     ///< pointer to the packed value `index` of EmittedKernel::packed
    kResult,     ///< pointer to output `index`
    kWorkspace,  ///< pointer to scratch memory of EmittedKernel::workspace_bytes, contents undefined
    kCounters,   ///< pointer to EmittedKernel::counter_bytes of memory, zero at first, left zero by every
                 ///< launch
    kInt32,      ///< `value` as a 32-bit integer (a dynamic extent)
    kInt64,      ///< `value` as a 64-bit integer (a stride)
  };
  Kind kind = kOperand;
  int index = 0;
  int64_t value = 0;
};

/// A product for cuBLASLt in row-major terms: D[m,n] = act(op(A)[m,k] · op(B)[k,n] + bias[n] + beta·C[m,n]),
/// `batch` times. Leading dims and batch strides in elements; a batch stride of 0 broadcasts.
struct LibraryProduct {
  int64_t m = 0, n = 0, k = 0, batch = 1;
  DType dtype = DType::kF32;
  bool tf32 = false;
  bool transpose_a = false, transpose_b = false;
  int64_t lda = 0, ldb = 0, ldc = 0, ldd = 0;
  int64_t stride_a = 0, stride_b = 0, stride_c = 0, stride_d = 0;
  enum Activation { kNone, kRelu, kGeluTanh } activation = kNone;
  int a = -1, b = -1, bias = -1, c = -1;  ///< arguments (indices into EmittedKernel::arguments); -1: absent
  int d = -1;
};

/// What a family makes of one region and candidate. The source is the same for equal bodies, targets and
/// configs; launch numbers (grid, arguments' values) belong to one binding of the dims.
struct EmittedKernel {
  std::string name;    ///< the extern "C" name in `source`
  std::string source;  ///< CUDA C++; "" for a library product
  LibraryProduct product;
  std::vector<KernelArgument> arguments;
  std::vector<const Value*> packed;  ///< body values computed at load, in the order of kPacked indices
  int grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, cluster[3] = {1, 1, 1};
  int64_t shared_bytes = 0;  ///< dynamic
  int64_t workspace_bytes = 0;
  int64_t counter_bytes = 0;
  /// For output i: the parameter whose storage it shares (a cache write's cache), or -1.
  std::vector<int> aliases;
  /// For output i: parameters of as many bytes over which it may be written, each of whose elements is read by the thread
  /// that writes it there, before it does, and by no other. Empty: none of any output.
  std::vector<std::vector<int>> overwrites;
  bool loads_first = false;  ///< weights are under way before it waits for earlier kernels
  /// Put on the card while the kernel before it still runs: it waits by itself (codegen/entry.h).
  bool overlaps = false;
  /// Templates that `source` includes, directly: "templates/gemm_sm80.cuh".
  std::vector<std::string> includes;
};

/// Where a value lives while the plan runs.
struct Buffer {
  enum Kind { kInput, kWeight, kPacked, kState, kArena, kOutput };
  Kind kind = kArena;
  std::string name;  ///< of the input, weight, state or output
  Type type;
  int64_t bytes = 0;
  int64_t offset = 0;          ///< in the arena (256-byte aligned); 0 for the others
  const Node* node = nullptr;  ///< the source node in Plan::graph, for inputs, weights and states
};

/// A pointer: a buffer and bytes into it.
struct BufferRef {
  int buffer = -1;
  int64_t offset = 0;
};

/// A value computed once when the weights are loaded: the expression over weights is a graph whose parameters
/// are `inputs`.
struct Packing {
  std::shared_ptr<const Graph> graph;
  std::vector<int> inputs;  ///< buffers
  int output = -1;          ///< buffer
};

/// A distinct kernel (or library product).
struct Kernel {
  EmittedKernel emitted;  ///< of its first site; sources are equal for all
  std::string site;       ///< of the first, without repetition numbers
  std::string family, implementation, note;
  std::vector<std::string> ops;
  std::vector<Location> lines;
  std::shared_ptr<const Decision> decision;
  Estimate estimate;
  std::string why;
  int launches = 0;
};

/// One launch, or (kernel -1) a copy of `values[0]` bytes from `arguments[0]` to `arguments[1]`.
struct Step {
  int kernel = -1;
  const Node* node = nullptr;  ///< the fused node of Plan::graph that it runs
  std::string site;
  std::vector<BufferRef> arguments;  ///< for pointer arguments, in the order of EmittedKernel::arguments
  std::vector<int64_t> values;       ///< for kInt32 and kInt64 arguments, likewise; 0 elsewhere
  int grid[3] = {1, 1, 1};
  BufferRef workspace, counters;
};

/// Everything that a run needs for one binding of the dims on one target.
struct Plan {
  std::string model, target_name;
  Target target;
  DimBinding dims;
  std::shared_ptr<const Graph> graph;      ///< outlined: sources, kFused nodes, views
  std::shared_ptr<const Graph> rewritten;  ///< before outlining: what the regions of `selection` point into
  std::vector<Kernel> kernels;
  std::vector<Step> steps;
  std::vector<Buffer> buffers;
  std::vector<Packing> packings;
  std::map<std::string, BufferRef> outputs;
  /// State buffers that a run must update by copying after it (new value computed elsewhere): state buffer ←
  /// value.
  std::vector<std::pair<int, BufferRef>> state_copies;
  int64_t arena_bytes = 0, arena_bytes_unplanned = 0, state_bytes = 0;
  int64_t arena_bytes_alive = 0;  ///< at the step that needs most: no arena is smaller
  int ops_before = 0;
  Selection selection;  ///< what was decided and why
  /// Launches that move bytes and compute nothing: of old values that are needed later, and of states' new ones.
  int64_t copies() const {
    return llvm::count_if(steps, [](const Step& step) { return step.kernel < 0; }) +
           static_cast<int64_t>(state_copies.size());
  }
};

}  // namespace tenon
