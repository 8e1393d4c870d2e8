// families.cpp: every kernel family, in the order in which explain lists them.
#include "codegen/families/attention.h"
#include "codegen/families/attention_decode.h"
#include "codegen/families/cublaslt.h"
#include "codegen/families/elementwise.h"
#include "codegen/families/experts.h"
#include "codegen/families/gemm.h"
#include "codegen/families/gemv.h"
#include "codegen/families/movement.h"
#include "codegen/families/row.h"
#include "codegen/families/sample.h"
#include "codegen/families/view.h"
#include "codegen/family.h"

namespace tenon {

llvm::ArrayRef<const EmittingFamily*> families() {
  static const EmittingFamily* const all[] = {
      &view_family(),     &gemv_family(),        &gemm_family(),
      &cublaslt_family(), &attention_family(),   &attention_decode_family(),
      &experts_family(),  &elementwise_family(), &movement_family(),
      &row_family(),      &sample_family()};
  return all;
}

}  // namespace tenon
