/* What a call of a native extension costs: the same functions in C. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *nothing(PyObject *self, PyObject *const *args, Py_ssize_t n) { Py_RETURN_NONE; }

static PyObject *add(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  unsigned long a = PyLong_AsUnsignedLong(args[0]), b = PyLong_AsUnsignedLong(args[1]);
  if (PyErr_Occurred()) return NULL;
  return PyLong_FromUnsignedLong((a + b) & 0xffffffff);
}

static PyObject *length(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  Py_ssize_t length;
  if (!PyUnicode_AsUTF8AndSize(args[0], &length)) return NULL;
  return PyLong_FromSsize_t(length);
}

static PyObject *sum(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  Py_buffer view;
  if (PyObject_GetBuffer(args[0], &view, PyBUF_SIMPLE) < 0) return NULL;
  double sum = 0;
  for (Py_ssize_t i = 0; i < view.len / 8; i++) sum += ((double *)view.buf)[i];
  PyBuffer_Release(&view);
  return PyFloat_FromDouble(sum);
}

static PyMethodDef methods[] = {
    {"nothing", (PyCFunction)(void (*)(void))nothing, METH_FASTCALL, NULL},
    {"add", (PyCFunction)(void (*)(void))add, METH_FASTCALL, NULL},
    {"length", (PyCFunction)(void (*)(void))length, METH_FASTCALL, NULL},
    {"sum", (PyCFunction)(void (*)(void))sum, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", NULL, -1, methods};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
