/* Tenon for C, and for every language that calls C: a model becomes a program on a device, the application's
 * own memory is bound to its inputs and outputs, and runs are enqueued on the application's own stream.
 *
 * Functions that can fail return a status; the words are tenon_last_error()'s. Strings are UTF-8 and end with
 * a zero. A handle is used by one thread at a time. This is all that libtenon.so exports. */
#ifndef TENON_C_H
#define TENON_C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tenon_status {
  TENON_DONE = 0,
  TENON_BAD_INPUT = 2,      /* the model, a name, a shape or an option is wrong */
  TENON_MACHINE_CANNOT = 3, /* no such device, library or memory here */
  TENON_INTERNAL_ERROR = 4  /* a defect of Tenon */
} tenon_status;

/* What went wrong in the last call of this thread that failed, with place and hint; valid until the next
 * call. */
const char* tenon_last_error(void);
const char* tenon_version(void); /* "0.1.0" */

/* ---- Models
 * ------------------------------------------------------------------------------------------------ */

typedef struct tenon_model tenon_model;

/* Reads a model file, or its text; `name` stands for the file in messages. */
tenon_status tenon_model_read(const char* path, tenon_model** model);
tenon_status tenon_model_parse(const char* text, const char* name, tenon_model** model);

/* Begins a model in code. `dtype` ("bf16") is the default of all declarations. Names, shapes and equations
 * are those of the model language, and are checked together by tenon_compile. */
tenon_status tenon_model_create(const char* name, const char* dtype, tenon_model** model);
tenon_status tenon_model_dim(tenon_model* model, const char* name, int64_t lower, int64_t upper);
/* `shape` lists extents: "B, T, 4*D"; "" is a scalar. `dtype` may be null. */
tenon_status tenon_model_input(tenon_model* model, const char* name, const char* shape, const char* dtype);
tenon_status tenon_model_weight(tenon_model* model, const char* name, const char* shape, const char* dtype);
tenon_status tenon_model_state(tenon_model* model, const char* name, const char* shape, const char* dtype);
/* One line: "h = gelu(linear(x, w1, b1))". */
tenon_status tenon_model_equation(tenon_model* model, const char* equation);
tenon_status tenon_model_output(tenon_model* model, const char* name);

/* Gives a weight from host memory: dense, row-major, of the declared type. Not copied: it must live until the
 * last program of the model is freed. It goes before a weight file's. */
tenon_status tenon_model_give_weight(tenon_model* model, const char* name, const void* data, size_t bytes);
void tenon_model_free(tenon_model* model);

/* ---- Programs
 * ---------------------------------------------------------------------------------------------- */

typedef struct tenon_program tenon_program;

typedef struct tenon_dim {
  const char* name;
  int64_t value;
} tenon_dim;

typedef struct tenon_options {
  const char* device;              /* "auto", "cpu", "cuda", "cuda:1", "emulator:sm_80"; null is auto */
  const char* policy;              /* "auto", "fused", "library"; null is auto */
  const char* const* weight_files; /* safetensors files, index files or folders */
  size_t weight_file_count;
  const tenon_dim* dims; /* values of dynamic dims; the others take min(upper bound, 512) */
  size_t dim_count;
} tenon_options;

/* Fuses, chooses and compiles the model for a device and uploads its weights. `options` may be null. */
tenon_status tenon_compile(const tenon_model* model, const tenon_options* options, tenon_program** program);
/* Takes other values of the dims; weights, states and compiled kernels stay, bound memory is forgotten. */
tenon_status tenon_rebind_dims(tenon_program* program, const tenon_dim* dims, size_t dim_count);
void tenon_program_free(tenon_program* program);

/* "cpu (2 threads)", "cuda:0 (NVIDIA H200)" */
const char* tenon_program_device(const tenon_program* program);

typedef struct tenon_tensor {
  const char* name;
  const char* dtype; /* "bf16" */
  int32_t rank;
  const int64_t* extents;
  size_t bytes; /* dense, row-major */
} tenon_tensor;

/* Inputs, outputs and states in the model's order. What `tensor` points to is valid until the dims are
 * rebound. */
size_t tenon_input_count(const tenon_program* program);
size_t tenon_output_count(const tenon_program* program);
size_t tenon_state_count(const tenon_program* program);
tenon_status tenon_input(const tenon_program* program, size_t index, tenon_tensor* tensor);
tenon_status tenon_output(const tenon_program* program, size_t index, tenon_tensor* tensor);
tenon_status tenon_state(const tenon_program* program, size_t index, tenon_tensor* tensor);

/* Binds the application's memory: a device pointer on cuda (16-byte aligned), a host pointer on cpu and emulator. All
 * inputs and outputs must be bound before the first run; memory may be bound anew between runs. */
tenon_status tenon_bind_input(tenon_program* program, const char* name, const void* data);
tenon_status tenon_bind_output(tenon_program* program, const char* name, void* data);

/* Allocates what runs need and captures the bound addresses for replay, so that a run on cuda costs one
 * launch; waits. To be called once all is bound, before the first tenon_enqueue. After memory was bound anew
 * it is optional: until then kernels are launched one by one. */
tenon_status tenon_prepare(tenon_program* program);
/* Puts one run into `stream`, a CUstream or cudaStream_t of the program's device, and returns: allocates
 * nothing, waits for nothing, may be called while the caller captures the stream. On cpu and emulator `stream` is null and
 * the run is done on return. Runs of one program must follow one another. */
tenon_status tenon_enqueue(tenon_program* program, void* stream);
/* One run on a stream of its own, done on return; prepares where that was not done. */
tenon_status tenon_run(tenon_program* program);

/* Copies a state to or from host memory and waits. States are zero at first. */
tenon_status tenon_read_state(const tenon_program* program, const char* name, void* data, size_t bytes);
tenon_status tenon_write_state(tenon_program* program, const char* name, const void* data, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif /* TENON_C_H */
