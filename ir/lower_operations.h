// lower_operations.h: how each operation of the language becomes nodes; operations.cpp names them in its
// table.
#pragma once
#include "ir/lower_call.h"

namespace tenon {

// lower_pointwise.cpp
Operands lower_unary(Call& call);  ///< f(x); neg and sqrt of numbers too
Operands lower_gelu(Call& call);   ///< gelu or gelu_tanh by `approximate`
Operands lower_leaky_relu(Call& call);
Operands lower_cast(Call& call);
Operands lower_clamp(Call& call);  ///< minimum(maximum(x, min), max)
Operands lower_fold(Call& call);   ///< maximum, minimum: two by two from the left
Operands lower_pair(Call& call);   ///< comparisons and logic
Operands lower_where(Call& call);

// lower_rows.cpp
Operands lower_matmul(Call& call);
Operands lower_linear(Call& call);  ///< matmul with transpose_b, add
Operands lower_reduction(Call& call);
Operands lower_along_axis(Call& call);  ///< softmax, log_softmax, cumsum
Operands lower_topk(Call& call);
Operands lower_norm(Call& call);  ///< layernorm, rmsnorm
Operands lower_experts(Call& call);

// lower_movement.cpp
Operands lower_reshape(Call& call);
Operands lower_transpose(Call& call);
Operands lower_slice(Call& call);
Operands lower_split(Call& call);  ///< slices
Operands lower_concat(Call& call);
Operands lower_expand(Call& call);
Operands lower_squeeze(Call& call);    ///< reshape
Operands lower_unsqueeze(Call& call);  ///< reshape
Operands lower_pad(Call& call);
Operands lower_gather(Call& call);
Operands lower_embedding(Call& call);  ///< gather along axis 0
Operands lower_scatter(Call& call);
Operands lower_iota(Call& call);
Operands lower_full(Call& call);

// lower_attention.cpp
Operands lower_heads(Call& call);        ///< reshape, transpose
Operands lower_merge_heads(Call& call);  ///< transpose, reshape
Operands lower_attention(Call& call);
Operands lower_rope(Call& call);
Operands lower_cache(
    Call& call);  ///< two cache writes and two state updates; with pages, what the tables make of the pools

}  // namespace tenon
