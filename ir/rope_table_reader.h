// rope_table_reader.h: `rope = { .. }` of a weight into the attributes of its kRopeTable node.
#pragma once
#include "ir/attributes.h"
#include "ir/error_list.h"
#include "ir/toml_document.h"

namespace tenon {

/// With d = 2 * (entries of the table), base_j = theta^(-2j/d); the attributes carry the numbers under their
/// own names, `theta` (default 10000) and `scheme`:
///   {theta}                                     scheme "": base_j
///   linear   = {factor}                         base_j / factor
///   llama3   = {factor, low, high, original}    by wavelength 2*pi/base_j: beyond original/low divided by
///   factor,
///                                               below original/high unchanged, interpolated between
///   yarn     = {factor, original, beta_fast = 32, beta_slow = 1}    a ramp over j between base_j and base_j
///   / factor longrope = {factors = [..]}                 base_j / factors[j]
/// Of YaRN and longrope the factor of cos and sin is rope's own `scale`.
Attributes read_rope_table(const TomlDocument& document, const TomlNode& table, ErrorList& errors);

}  // namespace tenon
