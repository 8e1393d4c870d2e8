// cuBLASLt by dlopen: own declarations of the few functions and values used (checked against cublasLt.h by a
// test).
#include "runtime/cuda/cublaslt.h"

#include <algorithm>
#include <cassert>

#include "runtime/cuda/cublaslt_values.h"

namespace tenon::cuda {

struct CublasLt::Functions {
  int (*create)(void** handle);
  int (*destroy)(void* handle);
  const char* (*status_string)(int);
  int (*desc_create)(void** desc, int compute, int scale_type);
  int (*desc_destroy)(void* desc);
  int (*desc_set)(void* desc, int attribute, const void* value, size_t bytes);
  int (*layout_create)(void** layout, int type, uint64_t rows, uint64_t columns, int64_t ld);
  int (*layout_destroy)(void* layout);
  int (*layout_set)(void* layout, int attribute, const void* value, size_t bytes);
  int (*preference_create)(void** preference);
  int (*preference_destroy)(void* preference);
  int (*preference_set)(void* preference, int attribute, const void* value, size_t bytes);
  int (*heuristic)(void* handle, void* desc, void* a, void* b, void* c, void* d, void* preference, int wanted,
                   LtHeuristicResult* results, int* found);
  int (*matmul)(void* handle, void* desc, const void* alpha, const void* a, void* a_layout, const void* b,
                void* b_layout, const void* beta, const void* c, void* c_layout, void* d, void* d_layout,
                const LtAlgorithm* algorithm, void* workspace, size_t workspace_bytes, Stream stream);

  explicit Functions(const LibrarySearch& search);
  void check(int status, const char* call) const {
    if (status != 0) throw machine_error(std::string(call) + " failed: " + status_string(status));
  }
};

namespace {

template <class Pointer>
void load(Pointer& target, const SharedLibrary& library, const char* name) {
  target = reinterpret_cast<Pointer>(library.symbol(name));
  if (!target) throw machine_error("cuBLASLt at " + library.path() + " lacks " + name);
}

// A descriptor, layout or preference: created by one function of the library, destroyed by another.
class Owned {
 public:
  explicit Owned(int (*destroy)(void*)) : destroy_(destroy) {}
  ~Owned() {
    if (object_) destroy_(object_);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  void** slot() { return &object_; }
  void* get() const { return object_; }

 private:
  void* object_ = nullptr;
  int (*destroy_)(void*);
};

// The alignment in bytes, at most 16, that all pointers in use share.
int common_alignment(const ProductPointers& pointers) {
  const uint64_t all = pointers.a | pointers.b | pointers.c | pointers.d | pointers.bias | 16;
  return static_cast<int>(all & (~all + 1));
}

bool has_bias(LibraryEpilogue epilogue) {
  return static_cast<int>(epilogue) & static_cast<int>(LibraryEpilogue::bias);
}

}  // namespace

CublasLt::Functions::Functions(const LibrarySearch& search) {
  if (!search.library) throw machine_error(search.summary());
  const SharedLibrary& library = search.library;
  load(create, library, "cublasLtCreate");
  load(destroy, library, "cublasLtDestroy");
  load(status_string, library, "cublasLtGetStatusString");
  load(desc_create, library, "cublasLtMatmulDescCreate");
  load(desc_destroy, library, "cublasLtMatmulDescDestroy");
  load(desc_set, library, "cublasLtMatmulDescSetAttribute");
  load(layout_create, library, "cublasLtMatrixLayoutCreate");
  load(layout_destroy, library, "cublasLtMatrixLayoutDestroy");
  load(layout_set, library, "cublasLtMatrixLayoutSetAttribute");
  load(preference_create, library, "cublasLtMatmulPreferenceCreate");
  load(preference_destroy, library, "cublasLtMatmulPreferenceDestroy");
  load(preference_set, library, "cublasLtMatmulPreferenceSetAttribute");
  load(heuristic, library, "cublasLtMatmulAlgoGetHeuristic");
  load(matmul, library, "cublasLtMatmul");
}

// Descriptors of one product in the library's column-major terms, and the algorithm to use.
class PreparedProduct {
 public:
  PreparedProduct(const CublasLt::Functions& api, const LibraryProduct& product)
      : beta(product.beta),
        bias(has_bias(product.epilogue)),
        desc(api.desc_destroy),
        a(api.layout_destroy),
        b(api.layout_destroy),
        c(api.layout_destroy),
        d(api.layout_destroy) {
    const LibraryProduct& p = product;
    api.check(api.desc_create(desc.slot(), p.tf32 ? kComputeFastTf32 : kComputeF32,
                              static_cast<int>(LibraryType::f32)),
              "cublasLtMatmulDescCreate");
    // The swap: the library's first operand is our B, its second our A.
    set_desc(api, kDescTransposeA, static_cast<int32_t>(p.transpose_b));
    set_desc(api, kDescTransposeB, static_cast<int32_t>(p.transpose_a));
    set_desc(api, kDescEpilogue, static_cast<int32_t>(p.epilogue));
    layout(api, a, p.b_type, p.transpose_b ? p.k : p.n, p.transpose_b ? p.n : p.k, p.ld_b, p.batch,
           p.stride_b);
    layout(api, b, p.a_type, p.transpose_a ? p.m : p.k, p.transpose_a ? p.k : p.m, p.ld_a, p.batch,
           p.stride_a);
    const bool reads_c = p.beta != 0;
    layout(api, c, p.d_type, p.n, p.m, reads_c ? p.ld_c : p.ld_d, p.batch, reads_c ? p.stride_c : p.stride_d);
    layout(api, d, p.d_type, p.n, p.m, p.ld_d, p.batch, p.stride_d);
  }

  template <class Value>
  void set_desc(const CublasLt::Functions& api, int attribute, Value value) {
    api.check(api.desc_set(desc.get(), attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
  }

  float beta;
  bool bias;
  Owned desc, a, b, c, d;
  LtAlgorithm algorithm{};

 private:
  static void layout(const CublasLt::Functions& api, Owned& target, LibraryType type, int64_t rows,
                     int64_t columns, int64_t ld, int64_t batch, int64_t stride) {
    api.check(api.layout_create(target.slot(), static_cast<int>(type), rows, columns, ld),
              "cublasLtMatrixLayoutCreate");
    if (batch == 1) return;
    const int32_t count = static_cast<int32_t>(batch);
    api.check(api.layout_set(target.get(), kLayoutBatchCount, &count, sizeof count),
              "cublasLtMatrixLayoutSetAttribute");
    api.check(api.layout_set(target.get(), kLayoutBatchStride, &stride, sizeof stride),
              "cublasLtMatrixLayoutSetAttribute");
  }
};

CublasLt::CublasLt(const LibrarySearch& search) : functions_(std::make_unique<Functions>(search)) {
  functions_->check(functions_->create(&handle_), "cublasLtCreate");
}

CublasLt::~CublasLt() {
  prepared_.clear();
  if (handle_) functions_->destroy(handle_);
}

PreparedProduct& CublasLt::prepare(const LibraryProduct& product, const ProductPointers& pointers) {
  assert(product.m > 0 && product.n > 0 && product.k > 0 && product.batch > 0 &&
         "empty products never reach the library");
  const Key key{product, common_alignment(pointers)};
  if (const auto known = prepared_.find(key); known != prepared_.end()) return *known->second;

  const Functions& api = *functions_;
  auto prepared = std::make_unique<PreparedProduct>(api, product);
  // The heuristic looks at the bias pointer's alignment.
  if (prepared->bias) prepared->set_desc(api, kDescBiasPointer, pointers.bias);
  Owned preference(api.preference_destroy);
  api.check(api.preference_create(preference.slot()), "cublasLtMatmulPreferenceCreate");
  const auto prefer = [&](int attribute, auto value) {
    api.check(api.preference_set(preference.get(), attribute, &value, sizeof value),
              "cublasLtMatmulPreferenceSetAttribute");
  };
  prefer(kPreferenceWorkspaceBytes, static_cast<uint64_t>(kLibraryWorkspaceBytes));
  for (int attribute :
       {kPreferenceAlignmentA, kPreferenceAlignmentB, kPreferenceAlignmentC, kPreferenceAlignmentD})
    prefer(attribute, static_cast<uint32_t>(key.alignment));

  LtHeuristicResult result{};
  int found = 0;
  api.check(api.heuristic(handle_, prepared->desc.get(), prepared->a.get(), prepared->b.get(),
                          prepared->c.get(), prepared->d.get(), preference.get(), 1, &result, &found),
            "cublasLtMatmulAlgoGetHeuristic");
  if (found == 0)
    throw machine_error("cuBLASLt has no algorithm for a product of " + std::to_string(product.m) + " x " +
                        std::to_string(product.n) + " x " + std::to_string(product.k));
  prepared->algorithm = result.algorithm;
  return *prepared_.emplace(key, std::move(prepared)).first->second;
}

void CublasLt::enqueue(PreparedProduct& prepared, const ProductPointers& pointers, DevicePointer workspace,
                       Stream stream) {
  const Functions& api = *functions_;
  if (prepared.bias) prepared.set_desc(api, kDescBiasPointer, pointers.bias);
  const float alpha = 1;
  const auto pointer = [](DevicePointer p) { return reinterpret_cast<void*>(p); };
  const DevicePointer c = prepared.beta != 0 ? pointers.c : pointers.d;
  api.check(api.matmul(handle_, prepared.desc.get(), &alpha, pointer(pointers.b), prepared.a.get(),
                       pointer(pointers.a), prepared.b.get(), &prepared.beta, pointer(c), prepared.c.get(),
                       pointer(pointers.d), prepared.d.get(), &prepared.algorithm, pointer(workspace),
                       kLibraryWorkspaceBytes, stream),
            "cublasLtMatmul");
}

size_t cublaslt_version(const LibrarySearch& search) {
  const auto version = reinterpret_cast<size_t (*)()>(search.library.symbol("cublasLtGetVersion"));
  return version ? version() : 0;
}

}  // namespace tenon::cuda
