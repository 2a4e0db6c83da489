#include "fiber.h"

#include <stdint.h>
#include <sys/mman.h>

#include <new>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define __asan_unpoison_memory_region(at, bytes) ((void)(bytes))
#define __sanitizer_start_switch_fiber(save, bottom, bytes) ((void)(bytes))
#define __sanitizer_finish_switch_fiber(save, bottom, bytes) ((void)(bytes))
#endif

namespace recon::simt {
namespace {

Fiber* entering = nullptr;  // whom `enter` is to run

}  // namespace

#if defined(__x86_64__)
// Puts what a call must preserve on this stack, goes to the other one, and takes it from there. A system call to change
// the signal mask, as swapcontext makes, would cost ten times as much.
extern "C" void recon_switch_stack(void** save, void* to);
asm(R"(
.text
.type recon_switch_stack, @function
recon_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size recon_switch_stack, .-recon_switch_stack
)");

static void* prepare(char* stack, size_t bytes, void (*enter)()) {
  uint64_t* top = reinterpret_cast<uint64_t*>(stack + bytes);
  *--top = 0;  // nobody to return to
  *--top = reinterpret_cast<uint64_t>(enter);
  for (int i = 0; i < 6; ++i) *--top = 0;
  return top;
}
static void switch_stack(void** save, void* to) { recon_switch_stack(save, to); }
#else
// Elsewhere by the book.
static void* prepare(char* stack, size_t bytes, void (*enter)()) {
  ucontext_t* context = reinterpret_cast<ucontext_t*>(stack);  // at the far end, where nothing else comes
  getcontext(context);
  context->uc_stack.ss_sp = stack + sizeof(ucontext_t);
  context->uc_stack.ss_size = bytes - sizeof(ucontext_t);
  context->uc_link = nullptr;
  makecontext(context, enter, 0);
  return context;
}
static void switch_stack(void** save, void* to) {
  ucontext_t here;
  *save = &here;
  swapcontext(&here, static_cast<ucontext_t*>(to));
}
#endif

Fiber::Fiber() {
  void* memory = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  stack_ = static_cast<char*>(memory);
  mprotect(stack_, 4096, PROT_NONE);  // a thread that needs more stops here
}

Fiber::~Fiber() { munmap(stack_, kStackBytes); }

void Fiber::start(void (*body)(void*), void* argument) {
  if (!done_) __asan_unpoison_memory_region(stack_, kStackBytes);  // what it was doing is given up
  body_ = body, argument_ = argument, done_ = false;
  inside_ = prepare(stack_ + 4096, kStackBytes - 4096, &Fiber::enter);
}

bool Fiber::resume() {
  entering = this;
  __sanitizer_start_switch_fiber(&fake_outside_, stack_ + 4096, kStackBytes - 4096);
  switch_stack(&outside_, inside_);
  __sanitizer_finish_switch_fiber(fake_outside_, nullptr, nullptr);
  return !done_;
}

void Fiber::enter() {
  Fiber* self = entering;
  __sanitizer_finish_switch_fiber(nullptr, &self->outside_bottom_, &self->outside_bytes_);
  self->body_(self->argument_);
  self->done_ = true;
  self->leave(true);
}

void Fiber::pause() { leave(false); }

void Fiber::leave(bool for_good) {
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_inside_, outside_bottom_, outside_bytes_);
  switch_stack(&inside_, outside_);
  __sanitizer_finish_switch_fiber(fake_inside_, &outside_bottom_, &outside_bytes_);
}

}  // namespace recon::simt
