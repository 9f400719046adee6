# Runs while the images are built: removes from a folder of Python packages what no task loads.
set -eu
cd "$1"

# Tests, headers, type stubs; not Keras' or TensorFlow's, whose modules import each other.
find . -path ./tensorflow -prune -o -path ./keras -prune -o -type d -name tests -print | xargs -r rm -rf
find . -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.pyx' -o -name '*.a' \) -delete
rm -rf tensorflow/include numpy/_core/include numpy/f2py numpy/distutils

# Pillow reads headers only: no AVIF, no text, no colour profiles.
if [ -d pillow.libs ]; then
  for module in _avif _imagingft _imagingcms _imagingtk; do
    rm -f "PIL/$module".*.so
  done
  for library in avif freetype harfbuzz lcms2 png16 brotlidec brotlicommon; do
    rm -f "pillow.libs/lib$library"-*.so*
  done
fi

# ONNX Runtime is in its Python module; the library beside it is for programs in other languages.
rm -f onnxruntime/capi/libonnxruntime.so.*

# Of OpenVINO, what computes an ONNX network on a CPU.
if [ -d openvino/libs ]; then
  rm -rf openvino/include openvino/cmake openvino/libs/cache.json openvino/libs/libopenvino_intel_gpu_plugin.so \
    openvino/libs/libopenvino_intel_npu_plugin.so
  for frontend in jax gguf paddle pytorch tensorflow tensorflow_lite; do
    rm -f "openvino/libs/libopenvino_${frontend}_frontend.so"*
  done
fi

# Rich only ever colours Python here.
if [ -d pygments/lexers ]; then
  find pygments/lexers -name '*.py' ! -name '__init__.py' ! -name _mapping.py ! -name python.py ! -name special.py -delete
fi

# Of the descriptions of some 400 AWS services, those that an S3 client with any kind of credentials reads.
if [ -d botocore/data ]; then
  for service in botocore/data/*/; do
    case $(basename "$service") in
      s3 | sso | sso-oidc | sts | signin) ;;
      *) rm -rf "$service" ;;
    esac
  done
fi

# OpenCV and FAISS bring the same release of OpenBLAS each, 39 MB. OpenCV's is for its linear algebra, of which no task has any.
if [ -d faiss_cpu.libs ] && [ -d opencv_python_headless.libs ]; then
  theirs=$(echo faiss_cpu.libs/libopenblaso-*.so)
  ours=$(echo opencv_python_headless.libs/libopenblasp-*.so)
  if [ -f "$theirs" ] && [ -f "$ours" ] && [ "${theirs##*-r0-*.}" = "${ours##*-r0-*.}" ]; then
    ln -sf "../$theirs" "$ours"
    for library in faiss_cpu.libs/*; do
      [ -e "opencv_python_headless.libs/${library##*/}" ] || ln -s "../$library" opencv_python_headless.libs/
    done
  fi
fi
