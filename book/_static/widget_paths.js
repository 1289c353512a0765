// Where require.js finds the module of widgets that compute in the page: beside the other scripts.
require.config({ paths: { anywidget: new URL("vendor/anywidget", document.currentScript.src).href } });
