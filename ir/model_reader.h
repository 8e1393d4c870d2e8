// model_reader.h: the tables of a model file into declarations.
#pragma once
#include "ir/declarations.h"
#include "ir/error_list.h"

namespace tenon {

/// Reads what can be read and adds every error of keys, kinds, names, shape expressions and the equations'
/// syntax. Throws Error alone for what is no TOML and for another version of the language.
Declarations read_declarations(std::shared_ptr<const SourceFile> file, ErrorList& errors);

}  // namespace tenon
