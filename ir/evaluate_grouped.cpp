// evaluate_grouped.cpp: products of rows with the matrices that are chosen for each of them.
#include <string>

#include "ir/diagnostics.h"
#include "ir/evaluate_ops.h"

namespace tenon::evaluation {

HostTensor grouped_matmul(const Node& node, Operands operands) {
  const HostTensor &x = *operands[0], &w = *operands[1], &ids = *operands[2];
  const int64_t count = w.type.shape[0].extent(), columns = w.type.shape[1].extent(),
                depth = w.type.shape[2].extent();
  const int64_t choices = x.type.rank() == ids.type.rank() ? ids.type.shape.back().extent() : 1;
  HostTensor result = HostTensor::zeros(node.type());
  for (int64_t i = 0; i < ids.type.elements(); ++i) {
    const int64_t e = ids.integers[i];
    if (e < 0 || e >= count)
      throw Error("experts: router_ids holds " + std::to_string(e) + ", and there are " +
                      std::to_string(count) + " experts",
                  node.location);
    const double* row = x.reals.data() + i / choices * depth;
    for (int64_t n = 0; n < columns; ++n) {
      const double* column = w.reals.data() + (e * columns + n) * depth;
      double sum = 0;
      for (int64_t k = 0; k < depth; ++k) sum += row[k] * column[k];
      result.reals[i * columns + n] = sum;
    }
  }
  return result;
}

}  // namespace tenon::evaluation
