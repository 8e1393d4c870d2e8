// The C border: handles, and errors that cross it as a status and words.
#include "runtime/tenon_c.h"

#include <cstring>
#include <new>
#include <optional>

#include "ir/diagnostics.h"
#include "runtime/bound_program.h"
#include "runtime/model_text.h"

using tenon::BoundProgram;
using tenon::Error;

/// A model read at once, or text that grows until it is compiled.
struct tenon_model {
  std::shared_ptr<const tenon::Model> read;
  std::optional<tenon::ModelText> text;
  std::string name;
  std::map<std::string, tenon::GivenWeight> weights;
};

struct tenon_program {
  explicit tenon_program(std::shared_ptr<const tenon::Model> model, tenon::ProgramOptions options)
      : bound(std::move(model), std::move(options)), device(bound.device()) {}
  BoundProgram bound;
  std::string device;
};

namespace {

thread_local std::string last_error;

tenon_status fail(tenon_status status, const char* words) {
  last_error = words;
  return status;
}

// Runs `work`; no exception leaves the library.
template <class Work>
tenon_status guarded(Work work) {
  try {
    work();
    return TENON_DONE;
  } catch (const Error& error) {
    return fail(error.status() == tenon::Status::kMachineCannot ? TENON_MACHINE_CANNOT
                : error.status() == tenon::Status::kCheckFailed ? TENON_INTERNAL_ERROR  // a kernel's fault
                                                                : TENON_BAD_INPUT,
                error.what());
  } catch (const std::bad_alloc&) {
    return fail(TENON_MACHINE_CANNOT, "out of memory");
  } catch (const std::exception& defect) {
    return fail(TENON_INTERNAL_ERROR, defect.what());
  }
}

template <class Pointer>
Pointer required(Pointer pointer, const char* what) {
  if (!pointer) throw Error(std::string(what) + " is null");
  return pointer;
}

tenon::ModelText& text_of(tenon_model* model) {
  required(model, "the model");
  if (!model->text) throw Error("the model was read from a file and takes no declarations");
  return *model->text;
}

std::shared_ptr<const tenon::Model> parsed(const std::string& name, std::string text) {
  auto source = std::make_shared<tenon::SourceFile>(tenon::SourceFile{name, std::move(text)});
  return std::make_shared<const tenon::Model>(tenon::Model::parse(std::move(source)));
}

tenon::DimBinding binding_of(const tenon_dim* dims, size_t count) {
  tenon::DimBinding binding;
  for (size_t i = 0; i < count; ++i)
    if (!binding.emplace(required(dims[i].name, "a dim's name"), dims[i].value).second)
      throw Error(std::string("the dim ") + dims[i].name + " is given twice");
  return binding;
}

tenon::ProgramOptions options_of(const tenon_model& model, const tenon_options* given) {
  tenon::ProgramOptions options;
  options.given_weights = model.weights;
  if (!given) return options;
  if (given->device) options.device = given->device;
  if (given->policy) options.policy = tenon::policy_of(given->policy);
  for (size_t i = 0; i < given->weight_file_count; ++i)
    options.weight_files.push_back(required(given->weight_files[i], "a weight file's name"));
  options.dims = binding_of(given->dims, given->dim_count);
  return options;
}

tenon_status declare(tenon_model* model, const char* section, const char* name, const char* shape,
                     const char* dtype) {
  return guarded([&] {
    text_of(model).declare(section, required(name, "the name"), required(shape, "the shape"),
                           dtype ? dtype : "");
  });
}

tenon_status describe(llvm::ArrayRef<BoundProgram::Slot> slots, size_t index, tenon_tensor* tensor) {
  return guarded([&] {
    required(tensor, "the tensor");
    if (index >= slots.size()) throw Error("there is no tensor number " + std::to_string(index));
    const BoundProgram::Slot& slot = slots[index];
    *tensor = {slot.name.c_str(), tenon::name_of(slot.type.dtype).data(),
               static_cast<int32_t>(slot.extents.size()), slot.extents.data(),
               static_cast<size_t>(slot.type.bytes())};
  });
}

}  // namespace

const char* tenon_last_error(void) { return last_error.c_str(); }
const char* tenon_version(void) { return TENON_VERSION; }

tenon_status tenon_model_read(const char* path, tenon_model** model) {
  return guarded([&] {
    auto read = std::make_shared<const tenon::Model>(tenon::Model::read(required(path, "the path")));
    *required(model, "the model") = new tenon_model{std::move(read), {}, path, {}};
  });
}

tenon_status tenon_model_parse(const char* text, const char* name, tenon_model** model) {
  return guarded([&] {
    auto read = parsed(required(name, "the name"), required(text, "the text"));
    *required(model, "the model") = new tenon_model{std::move(read), {}, name, {}};
  });
}

tenon_status tenon_model_create(const char* name, const char* dtype, tenon_model** model) {
  return guarded([&] {
    tenon::ModelText text(required(name, "the name"), required(dtype, "the dtype"));
    *required(model, "the model") = new tenon_model{nullptr, std::move(text), name, {}};
  });
}

tenon_status tenon_model_dim(tenon_model* model, const char* name, int64_t lower, int64_t upper) {
  return guarded([&] { text_of(model).dim(required(name, "the name"), lower, upper); });
}
tenon_status tenon_model_input(tenon_model* model, const char* name, const char* shape, const char* dtype) {
  return declare(model, "inputs", name, shape, dtype);
}
tenon_status tenon_model_weight(tenon_model* model, const char* name, const char* shape, const char* dtype) {
  return declare(model, "weights", name, shape, dtype);
}
tenon_status tenon_model_state(tenon_model* model, const char* name, const char* shape, const char* dtype) {
  return declare(model, "state", name, shape, dtype);
}
tenon_status tenon_model_equation(tenon_model* model, const char* equation) {
  return guarded([&] { text_of(model).equation(required(equation, "the equation")); });
}
tenon_status tenon_model_output(tenon_model* model, const char* name) {
  return guarded([&] { text_of(model).output(required(name, "the name")); });
}
tenon_status tenon_model_give_weight(tenon_model* model, const char* name, const void* data, size_t bytes) {
  return guarded([&] {
    required(model, "the model")->weights[required(name, "the name")] = {
        bytes ? required(data, "the data") : data, bytes};
  });
}
void tenon_model_free(tenon_model* model) { delete model; }

tenon_status tenon_compile(const tenon_model* model, const tenon_options* options, tenon_program** program) {
  return guarded([&] {
    required(model, "the model");
    required(program, "the program");
    auto whole = model->text ? parsed(model->name, model->text->toml()) : model->read;
    *program = new tenon_program(std::move(whole), options_of(*model, options));
  });
}

tenon_status tenon_rebind_dims(tenon_program* program, const tenon_dim* dims, size_t dim_count) {
  return guarded([&] { required(program, "the program")->bound.rebind(binding_of(dims, dim_count)); });
}
void tenon_program_free(tenon_program* program) { delete program; }
const char* tenon_program_device(const tenon_program* program) { return program->device.c_str(); }

size_t tenon_input_count(const tenon_program* program) { return program->bound.inputs().size(); }
size_t tenon_output_count(const tenon_program* program) { return program->bound.outputs().size(); }
size_t tenon_state_count(const tenon_program* program) { return program->bound.states().size(); }
tenon_status tenon_input(const tenon_program* program, size_t index, tenon_tensor* tensor) {
  return describe(program->bound.inputs(), index, tensor);
}
tenon_status tenon_output(const tenon_program* program, size_t index, tenon_tensor* tensor) {
  return describe(program->bound.outputs(), index, tensor);
}
tenon_status tenon_state(const tenon_program* program, size_t index, tenon_tensor* tensor) {
  return describe(program->bound.states(), index, tensor);
}

tenon_status tenon_bind_input(tenon_program* program, const char* name, const void* data) {
  return guarded(
      [&] { required(program, "the program")->bound.bind_input(required(name, "the name"), data); });
}
tenon_status tenon_bind_output(tenon_program* program, const char* name, void* data) {
  return guarded(
      [&] { required(program, "the program")->bound.bind_output(required(name, "the name"), data); });
}
tenon_status tenon_prepare(tenon_program* program) {
  return guarded([&] { required(program, "the program")->bound.prepare(); });
}
tenon_status tenon_enqueue(tenon_program* program, void* stream) {
  return guarded([&] { required(program, "the program")->bound.enqueue(stream); });
}
tenon_status tenon_run(tenon_program* program) {
  return guarded([&] { required(program, "the program")->bound.run(); });
}

tenon_status tenon_read_state(const tenon_program* program, const char* name, void* data, size_t bytes) {
  return guarded([&] {
    const tenon::Tensor state = required(program, "the program")->bound.state(required(name, "the name"));
    if (static_cast<int64_t>(bytes) != state.bytes())
      throw Error(std::string("the state '") + name + "' has " + std::to_string(state.bytes()) +
                  " bytes, not " + std::to_string(bytes));
    if (bytes) std::memcpy(required(data, "the data"), state.data(), bytes);
  });
}
tenon_status tenon_write_state(tenon_program* program, const char* name, const void* data, size_t bytes) {
  return guarded([&] {
    const char* first = static_cast<const char*>(bytes ? required(data, "the data") : data);
    required(program, "the program")->bound.set_state(required(name, "the name"), {first, bytes});
  });
}
