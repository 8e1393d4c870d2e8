// special_registers.cpp: the list of names.
#include "runtime/emulator/ptx/special_registers.h"

#include <algorithm>
#include <iterator>

namespace tenon::ptx {
namespace {

const llvm::StringRef kVectors[] = {"%tid",       "%ntid",       "%ctaid",         "%nctaid",
                                    "%clusterid", "%nclusterid", "%cluster_ctaid", "%cluster_nctaid"};
const llvm::StringRef kScalars[] = {"%laneid",
                                    "%warpid",
                                    "%nwarpid",
                                    "%smid",
                                    "%nsmid",
                                    "%gridid",
                                    "%cluster_ctarank",
                                    "%cluster_nctarank",
                                    "%is_explicit_cluster",
                                    "%lanemask_eq",
                                    "%lanemask_le",
                                    "%lanemask_lt",
                                    "%lanemask_ge",
                                    "%lanemask_gt",
                                    "%clock",
                                    "%clock_hi",
                                    "%clock64",
                                    "%globaltimer",
                                    "%globaltimer_lo",
                                    "%globaltimer_hi",
                                    "%total_smem_size",
                                    "%aggr_smem_size",
                                    "%dynamic_smem_size",
                                    "%current_graph_exec",
                                    "%reserved_smem_offset_begin",
                                    "%reserved_smem_offset_end",
                                    "%reserved_smem_offset_cap",
                                    "WARP_SZ"};

}  // namespace

bool is_special_register(llvm::StringRef name) {
  const size_t dot = name.find('.');
  if (dot == llvm::StringRef::npos)
    return std::find(std::begin(kScalars), std::end(kScalars), name) != std::end(kScalars);
  const llvm::StringRef component = name.drop_front(dot + 1);
  return (component == "x" || component == "y" || component == "z" || component == "w") &&
         std::find(std::begin(kVectors), std::end(kVectors), name.take_front(dot)) != std::end(kVectors);
}

}  // namespace tenon::ptx
