// cuBLASLt by dlopen: own declarations of the few functions and values used (checked against cublasLt.h by a
// test).
#include "runtime/cuda/cublaslt.h"

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
class OwnedObject {
 public:
  explicit OwnedObject(int (*destroy)(void*)) : destroy_(destroy) {}
  ~OwnedObject() {
    if (object_) destroy_(object_);
  }
  OwnedObject(const OwnedObject&) = delete;
  OwnedObject& operator=(const OwnedObject&) = delete;
  void** slot() { return &object_; }
  void* get() const { return object_; }

 private:
  void* object_ = nullptr;
  int (*destroy_)(void*);
};

LibraryType type_of(DType type) {
  assert((type == DType::kF32 || type == DType::kF16 || type == DType::kBF16) &&
         "the family offers no other");
  return type == DType::kF32 ? LibraryType::f32 : type == DType::kF16 ? LibraryType::f16 : LibraryType::bf16;
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

LibraryEpilogue epilogue_of(const LibraryProduct& product) {
  const int activation =
      product.activation == LibraryProduct::kGeluTanh ? static_cast<int>(LibraryEpilogue::gelu_tanh)
      : product.activation == LibraryProduct::kRelu   ? static_cast<int>(LibraryEpilogue::relu)
                                                      : 0;
  const int bias = product.bias >= 0 ? static_cast<int>(LibraryEpilogue::bias) : 0;
  return activation + bias ? static_cast<LibraryEpilogue>(activation + bias) : LibraryEpilogue::none;
}

// Everything in the library's column-major terms: its first operand is our B, its second our A, its rows our
// columns.
class PreparedProduct {
 public:
  PreparedProduct(std::shared_ptr<const CublasLt::Functions> functions, const LibraryProduct& p)
      : api(std::move(functions)),
        beta(p.c >= 0 ? 1.0f : 0.0f),
        bias(p.bias >= 0),
        desc(api->desc_destroy),
        a(api->layout_destroy),
        b(api->layout_destroy),
        c(api->layout_destroy),
        d(api->layout_destroy) {
    api->check(api->desc_create(desc.slot(), p.tf32 ? kComputeFastTf32 : kComputeF32,
                                static_cast<int>(LibraryType::f32)),
               "cublasLtMatmulDescCreate");
    set_desc(kDescTransposeA, static_cast<int32_t>(p.transpose_b));
    set_desc(kDescTransposeB, static_cast<int32_t>(p.transpose_a));
    set_desc(kDescEpilogue, static_cast<int32_t>(epilogue_of(p)));
    layout(a, p, p.transpose_b ? p.k : p.n, p.transpose_b ? p.n : p.k, p.ldb, p.stride_b);
    layout(b, p, p.transpose_a ? p.m : p.k, p.transpose_a ? p.k : p.m, p.lda, p.stride_a);
    layout(c, p, p.n, p.m, p.c >= 0 ? p.ldc : p.ldd, p.c >= 0 ? p.stride_c : p.stride_d);
    layout(d, p, p.n, p.m, p.ldd, p.stride_d);
  }

  template <class Value>
  void set_desc(int attribute, Value value) {
    api->check(api->desc_set(desc.get(), attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
  }

  std::shared_ptr<const CublasLt::Functions> api;
  float beta;
  bool bias;
  OwnedObject desc, a, b, c, d;
  LtAlgorithm algorithm{};

 private:
  void layout(OwnedObject& target, const LibraryProduct& p, int64_t rows, int64_t columns, int64_t ld,
              int64_t stride) {
    api->check(api->layout_create(target.slot(), static_cast<int>(type_of(p.dtype)), rows, columns, ld),
               "cublasLtMatrixLayoutCreate");
    if (p.batch == 1) return;
    const auto set = [&](int attribute, auto value) {
      api->check(api->layout_set(target.get(), attribute, &value, sizeof value),
                 "cublasLtMatrixLayoutSetAttribute");
    };
    set(kLayoutBatchCount, static_cast<int32_t>(p.batch));
    set(kLayoutBatchStride, stride);
  }
};

CublasLt::CublasLt(const LibrarySearch& search) : functions_(std::make_shared<Functions>(search)) {
  functions_->check(functions_->create(&handle_), "cublasLtCreate");
}

CublasLt::~CublasLt() { functions_->destroy(handle_); }

std::shared_ptr<PreparedProduct> CublasLt::prepare(const LibraryProduct& product, int alignment) {
  assert(product.m > 0 && product.n > 0 && product.k > 0 && product.batch > 0 &&
         "empty products never get here");
  const Functions& api = *functions_;
  auto prepared = std::make_shared<PreparedProduct>(functions_, product);
  // The heuristic reads the alignment off the bias pointer's value.
  if (prepared->bias) prepared->set_desc(kDescBiasPointer, static_cast<DevicePointer>(alignment));
  OwnedObject preference(api.preference_destroy);
  api.check(api.preference_create(preference.slot()), "cublasLtMatmulPreferenceCreate");
  const auto prefer = [&](int attribute, auto value) {
    api.check(api.preference_set(preference.get(), attribute, &value, sizeof value),
              "cublasLtMatmulPreferenceSetAttribute");
  };
  prefer(kPreferenceWorkspaceBytes, static_cast<uint64_t>(kLibraryWorkspaceBytes));
  for (int attribute :
       {kPreferenceAlignmentA, kPreferenceAlignmentB, kPreferenceAlignmentC, kPreferenceAlignmentD})
    prefer(attribute, static_cast<uint32_t>(alignment));

  LtHeuristicResult result{};
  int found = 0;
  const int status =
      api.heuristic(handle_, prepared->desc.get(), prepared->a.get(), prepared->b.get(), prepared->c.get(),
                    prepared->d.get(), preference.get(), 1, &result, &found);
  if (status != 0 || found == 0)
    throw machine_error("cuBLASLt has no algorithm for a product of " + std::to_string(product.m) + " x " +
                            std::to_string(product.n) + " x " + std::to_string(product.k) + ": " +
                            api.status_string(status),
                        "--policy fused does without the library");
  prepared->algorithm = result.algorithm;
  return prepared;
}

void CublasLt::enqueue(PreparedProduct& prepared, const ProductPointers& pointers, DevicePointer workspace,
                       Stream stream) {
  const Functions& api = *functions_;
  if (prepared.bias) prepared.set_desc(kDescBiasPointer, pointers.bias);
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
