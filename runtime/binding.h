// binding.h: a graph's inputs, weights and states from the files at hand, and from a fixed seed where there
// are none.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "runtime/file_tensor.h"

namespace tenon {

/// Paths as the command line gives them.
struct GivenPaths {
  std::vector<std::string> weights;                             ///< files, indices or folders
  std::vector<std::pair<std::string, std::string>> npy_inputs;  ///< name, F.npy
  std::string inputs;                                           ///< F.safetensors, or ""
  std::string state;                                            ///< F.safetensors, or ""
};

/// Those files, opened (mapped) but not yet compared with a model.
struct GivenTensors {
  FileTensors inputs, weights;
  std::optional<FileTensors> state;
  bool has_weights = false;
  /// Extents of the inputs at hand, as Model::bind takes them.
  std::map<std::string, Extents> input_extents() const;
};

/// Throws Error for a file that cannot be read, and for a tensor that two of them hold.
GivenTensors open_tensors(const GivenPaths& paths);

/// Values of all sources of a graph, by name, of declared types.
struct Binding {
  TensorMap inputs, weights, state;
  std::vector<std::string> notes;  ///< what was drawn, what was converted
};

/// Inputs not given are drawn (draw.h), weights where no file of weights is given; states begin with zeros.
/// `strict` refuses to draw. Throws Error for a name that the model lacks, and one Error that lists all
/// tensors that are missing or do not fit.
Binding bind_tensors(const Graph& graph, const GivenTensors& given, uint64_t seed, bool strict);

}  // namespace tenon
