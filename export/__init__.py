"""What is deployed: conversion, quantization, verification and the folder that is handed over."""
