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

/* The fields of the record, in order, and what each holds: i(nteger), d(ouble), s(tring), b(ytes), l(ist of
   integers), or o(bject): a bool, a member of an enum. */
static const char *const names[] = {"truth", "small", "byte", "short", "word", "int", "count", "long", "size", "single",
                                    "double", "letter", "text", "name", "raw", "numbers", "color", "may", "maybe", "last"};
static const char kinds[] = "oiiiiiiiiddsssblooii";
enum { FIELDS = 20 };
static PyObject *fields[FIELDS];

/* A value out of an object and into a new one: what any binding does on the way in and out. */
static PyObject *again(PyObject *it, char kind) {
  switch (kind) {
  case 'i': {
    long long number = PyLong_AsLongLong(it);
    return number == -1 && PyErr_Occurred() ? NULL : PyLong_FromLongLong(number);
  }
  case 'd': {
    double number = PyFloat_AsDouble(it);
    return number == -1 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(number);
  }
  case 's': {
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(it, &length);
    return text ? PyUnicode_FromStringAndSize(text, length) : NULL;
  }
  case 'b': {
    char *data;
    Py_ssize_t length;
    return PyBytes_AsStringAndSize(it, &data, &length) < 0 ? NULL : PyBytes_FromStringAndSize(data, length);
  }
  case 'l': {
    Py_ssize_t length = PyList_Size(it);
    PyObject *list = length < 0 ? NULL : PyList_New(length);
    for (Py_ssize_t i = 0; list && i < length; i++) {
      PyObject *item = again(PyList_GET_ITEM(it, i), 'i');
      if (!item) Py_CLEAR(list);
      else PyList_SET_ITEM(list, i, item);
    }
    return list;
  }
  default:
    return Py_NewRef(it);
  }
}

static PyObject *same(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  PyObject *values[FIELDS], *made = NULL;
  int at = 0;
  for (; at < FIELDS; at++) {
    PyObject *value = PyObject_GetAttr(args[0], fields[at]);
    values[at] = value ? again(value, kinds[at]) : NULL;
    Py_XDECREF(value);
    if (!values[at]) break;
  }
  if (at == FIELDS) made = PyObject_Vectorcall((PyObject *)Py_TYPE(args[0]), values, FIELDS, NULL);
  while (at-- > 0) Py_DECREF(values[at]);
  return made;
}

static PyMethodDef methods[] = {
    {"nothing", (PyCFunction)(void (*)(void))nothing, METH_FASTCALL, NULL},
    {"add", (PyCFunction)(void (*)(void))add, METH_FASTCALL, NULL},
    {"length", (PyCFunction)(void (*)(void))length, METH_FASTCALL, NULL},
    {"sum", (PyCFunction)(void (*)(void))sum, METH_FASTCALL, NULL},
    {"same", (PyCFunction)(void (*)(void))same, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", NULL, -1, methods};
PyMODINIT_FUNC PyInit_native(void) {
  for (int at = 0; at < FIELDS; at++)
    if (!(fields[at] = PyUnicode_InternFromString(names[at]))) return NULL;
  return PyModule_Create(&module);
}
