// sources.cpp: values that need no operand: constants, iota, tables of frequencies.
#include <cassert>

#include "ir/evaluate.h"
#include "runtime/cpu/operations.h"

namespace tenon::cpu {

View source(const Node& node) {
  const Type& type = node.type();
  if (node.op() == Op::kRopeTable) return View::of(Tensor::of(type, rope_table(node)));
  if (node.op() == Op::kIota) {
    std::vector<double> count(type.elements());
    for (size_t i = 0; i < count.size(); ++i) count[i] = static_cast<double>(i);
    return View::of(Tensor::of(type, count));
  }
  assert(node.op() == Op::kConstant && "the caller gives the other sources");
  llvm::ArrayRef<double> values = node.attributes.numbers("values");
  if (!values.empty()) return View::of(Tensor::of(type, values));
  // One element stands for all.
  HostTensor one = HostTensor::zeros({type.dtype, {}});
  double value = round_to(type.dtype, node.attributes.number("value"));
  if (one.integral())
    one.integers[0] = value >= 0x1p63 ? INT64_MAX : static_cast<int64_t>(value);
  else
    one.reals[0] = value;
  return View::of(from_host(one)).broadcast(extents_of(type.shape));
}

}  // namespace tenon::cpu
